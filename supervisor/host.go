package supervisor

import (
	"net"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/prefork"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// host is what an instance needs of the operating system.
type host interface {
	starter
	listener
	observer
}

// starter starts workers and ends what they leave behind.
type starter interface {
	// Spawn starts a worker; line gets its output, gone is called as described at child.
	Spawn(l worker.Launch, line func(string), gone func(e worker.Exit, left bool)) (worker.Process, error)
	// Load is spawn for a process that may become a template; said is called for each message of its program, and must
	// not block. Where no process can, it fails before there is one.
	Load(l worker.Launch, line func(string), gone func(e worker.Exit, left bool), said func(prefork.Message)) (worker.Process, worker.Template, error)
	// KillDaemonized kills what has left its group with the listener.
	KillDaemonized() []int
	// Daemonized are the processes that have left their workers' groups, as daemons do, with
	// the addresses that they listen on.
	Daemonized() (addresses, names []string)
	// Program returns the state of the files that a worker is started from.
	Program(l worker.Launch) worker.Program
}

// listener is the socket.
type listener interface {
	// arm has f called once, as soon as a connection waits, or with an error when
	// that is not seen any more; f must not block.
	arm(f func(error)) error
	disarm()
	// pending reports whether a connection waits.
	pending() bool
	// waiters are the connections that wait; it costs a fraction of observe.
	waiters() (queueListing, error)
	// accept takes the head of the queue; nil when nothing waits. Only while no worker lives.
	accept() net.Conn
	// retire takes away the path of a socket that is ours, so that no more
	// requests come; false when it is not.
	retire() bool
	// shut reports whether the listener was shut down; it costs one system call.
	shut() bool
	// lost says what keeps clients from a file of ours, nil if nothing does; false
	// where there is no such file.
	lost() (ours bool, err error)
	// renew makes the listener usable again, by another socket if need be.
	renew() error
	// bounds reports whether a limit on the queue helps its clients.
	bounds() bool
	// limit sets how many connections may wait; 0: as many as configured.
	limit(n int) error
}

// observer shows what the kernel says.
type observer interface {
	// observe samples the listener and which workers hold its connections; the
	// list of those is made no earlier than since.
	observe(workers []liveWorker, since time.Time) scoreboard.Sample
	// pressed reports whether memory is so short that nothing should grow.
	pressed() bool
}

// realHost is the host outside of tests.
type realHost struct {
	*worker.Starter
	socket  *listen.Socket
	watcher *listen.Watcher
	groups  *scoreboard.Groups
	shared  *scoreboard.Shared
	// options are how a socket of our own was made.
	options fcgisup.Socket
	// holders and own are the instance's goroutine's alone.
	holders scoreboard.Holders
	own     scoreboard.Own
	// siblings are the instances that share the list of the host's connections.
	siblings int
	// conduct is shared with the gates.
	conduct scoreboard.Conduct
}

func (h *realHost) arm(f func(error)) error { return h.watcher.Arm(h.socket.FD(), f) }

func (h *realHost) disarm() { h.watcher.Disarm(h.socket.FD()) }

func (h *realHost) pending() bool { return h.socket.Pending() }

// waiters are nameless where the kernel tells only how many there are.
func (h *realHost) waiters() (queueListing, error) {
	l := h.socket.Listener()
	before, _ := l.Queue()
	listed, err := l.Waiting()
	q, queueErr := l.Queue()
	if err != nil {
		return queueListing{waiters: slices.Repeat([]scoreboard.Waiter{{Gone: true}}, q.Length)}, queueErr
	}
	now := queueListing{waiters: listed}
	if l.Network() == "tcp" && queueErr == nil {
		now.least, now.most = max(before.Length-len(listed), 0), max(q.Length-len(listed), 0)
	}
	return now, nil
}

func (h *realHost) observe(workers []liveWorker, since time.Time) scoreboard.Sample {
	groups := make([]int, len(workers))
	for n, w := range workers {
		groups[n] = w.proc.PID()
	}
	// Without its members a worker shows as one that holds nothing, and its
	// requests as unattributed, which makes it neither busy nor idle.
	members, err := h.groups.Recent(groups, since)
	if err != nil {
		members = make([][]int, len(workers))
	}
	pids := slices.Concat(members...)
	s, complete := h.own.Look(h.socket.Listener(), pids, len(pids)*h.siblings)
	if !complete {
		s = h.shared.Look(h.socket.Listener(), since)
		h.own.Listed(h.shared.Size(), s.Conns)
	}
	for n, w := range workers {
		s.Workers = append(s.Workers, scoreboard.Worker{ID: w.id, PIDs: members[n]})
	}
	if h.socket.HasForeign() && s.ConnsErr == nil {
		var foreign []scoreboard.Conn
		foreign, s.ConnsErr = h.socket.Listener().Foreign(pids)
		s.Conns = append(s.Conns, foreign...)
	}
	s.Held = h.holders.Find(pids, s.Conns)
	if s.ConnsErr == nil {
		all := make([]scoreboard.Group, len(workers))
		for n := range workers {
			all[n] = scoreboard.Group{Leader: groups[n], PIDs: members[n]}
		}
		s.Answered, s.Kept = h.conduct.Judge(h.socket.Listener().Inode(), all, s.Conns, s.Held)
	}
	return s
}

func (h *realHost) pressed() bool { return pressed("/proc/pressure/memory") }

func (h *realHost) accept() net.Conn { return h.socket.Accept() }

func (h *realHost) shut() bool { return h.socket.Shut() }

func (h *realHost) lost() (ours bool, err error) { return h.socket.Lost() }

func (h *realHost) renew() error {
	h.watcher.Forget(h.socket.FD())
	return h.socket.Renew(h.options)
}

// bounds is for unix sockets: where a TCP queue is full the kernel drops the client's
// SYN, which is sent again after a second, then two: that is worse than to wait.
func (h *realHost) bounds() bool { return h.socket.Listener().Network() == "unix" }

// reopen ends the limit that a predecessor which was killed has left on the socket.
func (h *realHost) reopen() error {
	if !h.bounds() {
		return nil
	}
	return h.limit(0)
}

func (h *realHost) limit(n int) error {
	if n == 0 {
		n = h.options.Backlog
	}
	return h.socket.Listener().SetBacklog(n)
}

func (h *realHost) retire() bool { return h.socket.Retire() }
