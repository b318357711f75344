// Package scoreboard reports what the kernel knows about a listening FastCGI
// socket and about the processes that serve it, without asking any of them and
// without being in the data path.
//
// It promises facts. A fact that cannot be had is absent and carries its reason:
// an error, a [Limit] that is not known, a [State] of Unknown. It never guesses,
// never accepts a connection, never sends a signal, and leaves O_NONBLOCK on the
// shared open file description alone unless [Listener.SetBlocking] is called.
// It does not judge either: busy, stuck and dead are words of the supervisor.
//
// # Where each fact comes from
//
// Unix sockets are read through NETLINK_SOCK_DIAG (sock_diag(7)), which needs no
// privilege:
//   - queue length and backlog: lookup of the listener by inode, UDIAG_SHOW_RQLEN;
//   - who waits: UDIAG_SHOW_ICONS, the inodes of the clients in queue order, 0 for
//     one that has closed (the kernel keeps it queued until a process accepts it);
//   - accepted connections: a dump of ESTABLISHED sockets, those whose bound file
//     (UDIAG_SHOW_VFS: inode and device, inherited from the listener by the
//     accepted socket) is the listener's. The file stays pinned while either
//     lives, so a renamed, deleted or replaced socket file is never confused.
//     Abstract names have no file and are compared whole. Queued connections
//     have no inode yet and do not appear;
//   - a replaced socket file: the same VFS identity against stat(2) of the path.
//
// TCP listeners give their queue through getsockopt(TCP_INFO), where tcpi_unacked
// and tcpi_sacked of a listener are queue and backlog, and their connections
// through inet_diag, filtered by local port and address.
//
// Processes are read from /proc: the group by getpgid(2) over the process list,
// held connections from /proc/PID/fd, the call a thread is blocked in from
// /proc/PID/syscall. What a polling thread waits for is in the epoll set's
// fdinfo (epoll), or in the pollfd array or fd_set the call was given, read
// through /proc/PID/mem (poll, select). Those are as privileged as ptrace(2): own
// children of the same user, or root.
//
// # What cannot be known
//
//   - Requests between two looks. Counts of requests seen are lower bounds.
//   - Whether an accepted connection carries a request. A kept-alive connection
//     on which nothing happens looks like a request; [Reading] tells, for a worker
//     with blocking I/O, that a thread waits for the client's next bytes, which is
//     an idle connection or an unfinished upload. For event loops nothing tells.
//   - The order of a TCP queue, and whether a TCP client that has sent FIN is gone
//     or only finished sending. FastCGI clients do not half-close, so CLOSE_WAIT
//     counts as gone.
//   - The memory of a process whose first thread has ended.
//   - Which of several listeners a TCP connection came from when they share a port
//     by SO_REUSEPORT, and anything but the queue of an MPTCP listener.
//   - The queue limit, the identities in the queue and a replaced file when netlink
//     is refused (RestrictAddressFamilies= without AF_NETLINK): /proc/net/unix then
//     gives lengths and connections by name, and an error when two listeners bear
//     the same name.
//   - Sockets of another network namespace (PrivateNetwork= under a socket unit):
//     both sources are per namespace. TCP_INFO still works.
//   - Whether the client of a unix connection from another network namespace has
//     gone: such a connection is its client's namespace's, and only its descriptor
//     is seen, by [Listener.Foreign].
//   - Processes that left the group (setsid) and have lost their parent before they were
//     seen, and those that have closed the listener; [Groups.Track] follows the others.
//     Their connections show as held by no process asked; [Holds] over [Processes] finds
//     them. A descriptor in flight (SCM_RIGHTS) or registered with io_uring is
//     in no fd table.
//   - What an io_uring user waits for, and what a 32-bit worker does under a 64-bit
//     kernel (its call numbers are another table).
//
// # Cost
//
// A lookup of a listener takes 4 µs, its connections 25 µs on a quiet host and 0.2 ms
// more for every 1,000 unix connections of the host ([Shared] pays that once for many
// listeners, [Own] reads the descriptors of the workers instead; of any of the host, and
// with their queues, [Survey] does), or a walk over the kernel's TCP hash table. A process costs 3 µs to be
// known alive, 20 µs to have its descriptors read ([Holders] remembers: 3 µs), 20 µs
// to be asked what it waits for, 75 µs for its PSS. Bench with
// go test -bench . ./supervisor/scoreboard.
//
// A [Listener] keeps one netlink socket, opened at the first question and shared under
// a lock; nothing else is kept open.
//
// A dump is not atomic: a connection accepted or closed while it runs may or may
// not be in it.
package scoreboard
