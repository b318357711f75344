package scoreboard

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenNamesWhatItFound(t *testing.T) {
	socket := func(family, kind int) int {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	must(t, err)
	defer file.Close()
	var p [2]int
	must(t, unix.Pipe(p[:]))
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	for _, c := range []struct {
		fd   int
		want string
	}{
		{int(file.Fd()), "a regular file"},
		{p[0], "a pipe"},
		{socket(unix.AF_UNIX, unix.SOCK_DGRAM), "unix datagram"},
		{socket(unix.AF_UNIX, unix.SOCK_SEQPACKET), "unix seqpacket"},
		{socket(unix.AF_INET, unix.SOCK_DGRAM), "inet datagram"},
		{socket(unix.AF_INET, unix.SOCK_STREAM), "does not listen"},
		{socket(unix.AF_NETLINK, unix.SOCK_RAW), "neither unix nor TCP"},
		{1 << 20, "bad file descriptor"},
	} {
		l, err := Open(c.fd)
		if err == nil {
			l.Close()
			t.Fatalf("accepted %s", c.want)
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q does not name %q", err, c.want)
		}
	}
}

func TestQueueFillsAndEmpties(t *testing.T) {
	eachKind(t, func(t *testing.T, k listenerKind) {
		l := k.make(t, 8)
		wantQueue(t, l, 0, 8)
		var clients []*client
		for range 5 {
			clients = append(clients, dial(t, l))
		}
		wantQueue(t, l, 5, 8)
		wantWaiting(t, l, 5, 0)
		clients[0].close()
		clients[3].close()
		wantQueue(t, l, 5, 8) // the kernel keeps them
		wantWaiting(t, l, 5, 2)
		for range 3 {
			unix.Close(accept(t, l))
		}
		wantQueue(t, l, 2, 8)
		wantWaiting(t, l, 2, 1)
		unix.Close(accept(t, l))
		unix.Close(accept(t, l))
		wantQueue(t, l, 0, 8)
	})
}

func wantQueue(t *testing.T, l *Listener, length, capacity int) {
	t.Helper()
	eventually(t, "the queue's length", func() bool {
		q, err := l.Queue()
		must(t, err)
		if n, known := q.Capacity.Value(); !known || n != capacity {
			t.Fatalf("capacity %v, want %d", q.Capacity, capacity)
		}
		return q.Length == length
	})
}

func wantWaiting(t *testing.T, l *Listener, length, gone int) {
	t.Helper()
	eventually(t, "who waits", func() bool {
		list, err := l.Waiting()
		must(t, err)
		return len(list) == length && len(slices.DeleteFunc(list, func(w Waiter) bool { return !w.Gone })) == gone
	})
}

func TestWaitingKeepsTheOrder(t *testing.T) {
	l := listenUnix(t, 8)
	var want []Waiter
	for range 4 {
		var st unix.Stat_t
		must(t, unix.Fstat(dial(t, l).fd, &st))
		want = append(want, Waiter{Peer: Inode(st.Ino)})
	}
	got, err := l.Waiting()
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A lookup's answer is limited to a page; longer queues take another way.
func TestWaitingInALongQueue(t *testing.T) {
	const n = 2500
	l := listenUnix(t, n)
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if q, err := l.Queue(); err != nil || limit.Cur < 2*n || q.Capacity != KnownLimit(n) {
		t.Skipf("needs %d descriptors (has %d) and somaxconn of as much (%v, %v)", n, limit.Cur, q.Capacity, err)
	}
	for range n {
		dial(t, l)
	}
	for range 2 {
		list, err := l.Waiting()
		must(t, err)
		if len(list) != n {
			t.Fatalf("%d of %d", len(list), n)
		}
		must(t, l.Close()) // the second round starts with a fresh netlink socket
	}
}

func TestAccepted(t *testing.T) {
	eachKind(t, func(t *testing.T, k listenerKind) {
		l := k.make(t, 8)
		worker := role(t, "accept", l.fd)
		first, second := dial(t, l), dial(t, l) // the second one waits
		c := wantConns(t, l, 1)[0]
		if c.Gone || c.Inode == 0 {
			t.Fatalf("%+v", c)
		}
		var st unix.Stat_t
		must(t, unix.Fstat(first.fd, &st))
		if l.domain == unix.AF_UNIX && c.Peer != Inode(st.Ino) {
			t.Errorf("peer %d, want %d", c.Peer, st.Ino)
		}
		if h := Holds([]int{os.Getpid(), worker.pid}, []Conn{c}); !slices.Equal(h.By[c.Inode], []int{worker.pid}) {
			t.Errorf("held by %v, want %d", h, worker.pid)
		}
		worker.signal(t, unix.SIGSTOP)
		first.close()
		eventually(t, "the client's end is seen", func() bool { return wantConns(t, l, 1)[0].Gone })
		worker.signal(t, unix.SIGCONT)
		eventually(t, "the second is accepted", func() bool {
			list := wantConns(t, l, 1)
			return list[0].Inode != c.Inode && !list[0].Gone
		})
		second.send(t)
		wantConns(t, l, 0)
	})
}

func wantConns(t *testing.T, l *Listener, n int) []Conn {
	t.Helper()
	var list []Conn
	eventually(t, "the number of connections", func() bool {
		var err error
		list, err = l.Accepted()
		must(t, err)
		return len(list) == n
	})
	return list
}

// wantHeld waits until each connection is held by one of the processes, and by none twice: accept(2) takes a connection from the
// queue before it gives the process a descriptor, and in between no process has it.
func wantHeld(t *testing.T, pids []int, conns []Conn) {
	t.Helper()
	eventually(t, "a holder of each connection", func() bool {
		h := Holds(pids, conns)
		return !slices.ContainsFunc(conns, func(c Conn) bool { return len(h.By[c.Inode]) != 1 })
	})
}

// IPv4 clients of an IPv6 wildcard listener come under mapped addresses.
func TestAcceptedMapped(t *testing.T) {
	l := listen(t, unix.AF_INET6, &unix.SockaddrInet6{}, 8)
	c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", l.addr.inet.String()[strings.LastIndex(l.addr.inet.String(), ":")+1:]))
	must(t, err)
	defer c.Close()
	fd := accept(t, l)
	defer unix.Close(fd)
	if list := wantConns(t, l, 1); !list[0].Remote.Addr().Is4In6() {
		t.Errorf("%+v", list)
	}
}

// Two listeners of one port at different addresses are told apart.
func TestAcceptedAtOurAddress(t *testing.T) {
	a := listen(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, 8)
	b := listen(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}, Port: int(a.addr.inet.Port())}, 8)
	dial(t, a)
	defer unix.Close(accept(t, a))
	wantConns(t, a, 1)
	wantConns(t, b, 0)
}

// The kernel's device numbers are not stat(2)'s, and some file systems show yet
// others.
func TestFileIdentity(t *testing.T) {
	const socket = unix.S_IFSOCK | 0o600
	f := file{inode: 7, device: 254<<20 | 300}
	for _, c := range []struct {
		st   unix.Stat_t
		own  bool
		want bool
	}{
		{unix.Stat_t{Mode: socket, Ino: 7, Dev: unix.Mkdev(254, 300)}, false, true},
		{unix.Stat_t{Mode: socket, Ino: 1<<32 | 7, Dev: unix.Mkdev(254, 300)}, false, true}, // cut to 32 bits
		{unix.Stat_t{Mode: socket, Ino: 7, Dev: unix.Mkdev(254, 301)}, false, false},
		{unix.Stat_t{Mode: socket, Ino: 7, Dev: unix.Mkdev(0, 301)}, true, true},
		{unix.Stat_t{Mode: socket, Ino: 8, Dev: unix.Mkdev(254, 300)}, true, false},
		{unix.Stat_t{Mode: unix.S_IFREG, Ino: 7, Dev: unix.Mkdev(254, 300)}, false, false},
	} {
		if got := f.is(&c.st, c.own); got != c.want {
			t.Errorf("%+v: %v", c.st, got)
		}
	}
}

func TestSharedPortIsAmbiguous(t *testing.T) {
	port := 0
	var l *Listener
	for range 2 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		must(t, unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
		must(t, unix.Listen(fd, 8))
		if l == nil {
			l, err = Open(fd)
			must(t, err)
			defer l.Close()
			port = int(l.addr.inet.Port())
			if _, err := l.Accepted(); err != nil {
				t.Fatalf("alone at its port: %v", err)
			}
		}
	}
	if _, err := l.Accepted(); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("got %v, want ErrAmbiguous", err)
	}
}

func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	replaced := func(l *Listener, want bool) {
		t.Helper()
		if got, err := l.Replaced(); err != nil || got != want {
			t.Errorf("replaced: %v (%v), want %v", got, err, want)
		}
	}
	old := listenAt(t, path, 8)
	replaced(old, false)
	dial(t, old)
	oldConn := accept(t, old)
	defer unix.Close(oldConn)

	must(t, os.Rename(path, path+".moved"))
	replaced(old, true)
	must(t, os.WriteFile(path, nil, 0o600))
	replaced(old, true)
	must(t, os.Remove(path))
	young := listenAt(t, path, 8)
	replaced(old, true)
	replaced(young, false)
	dial(t, young)
	dial(t, young)
	defer unix.Close(accept(t, young))
	defer unix.Close(accept(t, young))

	var st unix.Stat_t
	must(t, unix.Fstat(oldConn, &st))
	if list := wantConns(t, old, 1); list[0].Inode != Inode(st.Ino) {
		t.Errorf("old listener: %+v, want inode %d", list, st.Ino)
	}
	wantConns(t, young, 2)
	must(t, os.Remove(path))
	must(t, os.Rename(path+".moved", path))
	replaced(old, false)
	replaced(young, true)
}

func TestReplacedDoesNotGuess(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := listenAt(t, "relative", 8).Replaced(); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a relative path: %v", err)
	}
	l := listenUnix(t, 8)
	l.dial = refuse
	if _, err := l.Replaced(); !errors.Is(err, ErrUnsupported) {
		t.Errorf("netlink refused: %v", err)
	}
	for _, k := range kinds[1:] {
		if got, err := k.make(t, 8).Replaced(); got || err != nil {
			t.Errorf("%s: %v, %v", k.name, got, err)
		}
	}
}

func TestSharedDescription(t *testing.T) {
	eachKind(t, func(t *testing.T, k listenerKind) {
		l := k.make(t, 8)
		nonblocking := func(want bool) {
			t.Helper()
			if got, err := l.Nonblocking(); err != nil || got != want {
				t.Fatalf("nonblocking: %v (%v), want %v", got, err, want)
			}
		}
		_, err := l.Queue()
		must(t, err)
		_, err = l.Accepted()
		must(t, err)
		nonblocking(false)
		must(t, unix.SetNonblock(l.fd, true))
		nonblocking(true)
		_, err = l.Accepted()
		must(t, err)
		nonblocking(true)                                           // looking changes nothing
		nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // nothing gets through
		must(t, unix.SetsockoptSockFprog(l.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing}))
		must(t, unix.SetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 10_000}))
		must(t, l.SetBlocking())
		nonblocking(false)
		left, err := unix.GetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO)
		must(t, err)
		if *left != (unix.Timeval{}) {
			t.Errorf("accept(2) still times out after %v", *left)
		}

		dial(t, l)
		must(t, l.SetBacklog(3))
		wantQueue(t, l, 1, 3)
		if l.SetBacklog(-1) == nil {
			t.Error("a negative backlog was accepted")
		}
	})
}

func TestConcurrentUseAndNoLeak(t *testing.T) {
	before := descriptors(t)
	l := listenUnix(t, 8)
	dial(t, l)
	dial(t, l)
	fd := accept(t, l)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				q, err := l.Queue()
				w, errW := l.Waiting()
				c, errC := l.Accepted()
				_, errR := l.Replaced()
				if err := errors.Join(err, errW, errC, errR); err != nil || q.Length != 1 || len(w) != 1 || len(c) != 1 {
					t.Error(q, w, c, err)
				}
				Holds([]int{os.Getpid()}, c)
				Accepting(os.Getpid(), l.Inode())
			}
		})
	}
	wg.Wait()
	if n := descriptors(t); n != before+5 { // listener, 2 clients, 1 accepted, netlink
		t.Errorf("%d descriptors, want %d", n, before+5)
	}
	must(t, l.Close())
	must(t, l.Close())
	unix.Close(fd)
	if n := descriptors(t); n != before+3 {
		t.Errorf("%d descriptors after Close, want %d", n, before+3)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := numbersIn("/proc/self/fd")
	must(t, err)
	return len(list)
}
