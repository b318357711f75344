package scoreboard

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const roleVariable = "SCOREBOARD_TEST_ROLE"

// TestMain lets the test binary play the workers that the tests watch.
func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		role, ok := roles[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such role:", name)
			os.Exit(2)
		}
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every role has the listener on fd 0, answers each byte it is sent by closing
// the connection, and dies with the test.
var roles = map[string]func() error{
	"accept": acceptLoop,
	"poll": func() error {
		for {
			if _, err := unix.Poll([]unix.PollFd{{Fd: 1, Events: unix.POLLPRI}, {Fd: 0, Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
				return err
			} else if err == nil {
				acceptAndServe()
			}
		}
	},
	"poll-elsewhere": func() error {
		var p [2]int
		if err := unix.Pipe(p[:]); err != nil {
			return err
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p[0]), Events: unix.POLLIN}, {Fd: 0, Events: unix.POLLPRI}}, -1)
		return err
	},
	"select": func() error {
		for {
			var set unix.FdSet
			set.Set(0)
			if _, err := unix.Select(1, &set, nil, nil, nil); err != nil && err != unix.EINTR {
				return err
			} else if err == nil {
				acceptAndServe()
			}
		}
	},
	"select-elsewhere": func() error {
		var p [2]int
		if err := unix.Pipe(p[:]); err != nil {
			return err
		}
		var set unix.FdSet
		set.Set(p[0])
		_, err := unix.Select(p[0]+1, &set, nil, nil, nil)
		return err
	},
	"epoll":           func() error { return epoll(0, unix.EPOLLIN) },
	"epoll-elsewhere": epollElsewhere,
	"epoll-nested":    epollNested,
	"epoll-deaf":      func() error { return epoll(0, unix.EPOLLRDHUP) },
	"net": func() error {
		l, err := net.FileListener(os.Stdin)
		if err != nil {
			return err
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			go func() {
				c.Read(make([]byte, 1))
				c.Close()
			}()
		}
	},
	"headless":  headless,
	"sleep":     func() error { time.Sleep(time.Hour); return nil },
	"family":    startFamily,
	"observer":  observe,
	"foreigner": foreign,
}

func acceptLoop() error {
	for {
		fd, _, err := unix.Accept(0)
		if err != nil {
			return err
		}
		serveOne(fd)
	}
}

func acceptAndServe() {
	if fd, _, err := unix.Accept(0); err == nil {
		serveOne(fd)
	}
}

func serveOne(fd int) {
	unix.Read(fd, make([]byte, 1))
	unix.Close(fd)
}

func epoll(fd int, events uint32) error {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events}); err != nil {
		return err
	}
	for {
		_, err := unix.EpollWait(ep, make([]unix.EpollEvent, 4), -1)
		if err != nil && err != unix.EINTR {
			return err
		} else if err == nil && fd == 0 {
			acceptAndServe()
		}
	}
}

func epollElsewhere() error {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return err
	}
	return epoll(p[0], unix.EPOLLIN)
}

func epollNested() error {
	inner, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	if err := unix.EpollCtl(inner, unix.EPOLL_CTL_ADD, 0, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		return err
	}
	return epoll(inner, unix.EPOLLIN)
}

// process is a child that is killed and reaped with its group when the test ends.
type process struct {
	*exec.Cmd
	pid int
}

// role starts the test binary in a role, with listener as fd 0, in a process
// group of its own.
func role(t testing.TB, name string, listener int) process {
	t.Helper()
	return start(t, playing(name), listener)
}

// playing is the command of a role. The race detector's second of sleep at exit is
// for the tests, not for what they start.
func playing(role string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVariable+"="+role, "GORACE=atexit_sleep_ms=0")
	return c
}

func start(t testing.TB, c *exec.Cmd, listener int) process {
	t.Helper()
	if listener >= 0 {
		fd, err := unix.Dup(listener)
		must(t, err)
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "listener")
		defer f.Close()
		c.Stdin = f
	}
	c.Stderr = os.Stderr
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setpgid = true
	must(t, c.Start())
	p := process{c, c.Process.Pid}
	t.Cleanup(func() {
		unix.Kill(-p.pid, unix.SIGKILL)
		c.Wait()
	})
	return p
}

func (p process) signal(t testing.TB, s unix.Signal) {
	t.Helper()
	must(t, unix.Kill(p.pid, s))
}

func perl(t testing.TB, program string, listener int) process {
	t.Helper()
	path, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("perl is not installed")
	}
	return start(t, exec.Command(path, "-e", program), listener)
}

// perlWorker is single-threaded and blocking, like a libfcgi program.
const perlWorker = `open(my $l, "<&=", 0) or die; while (accept(my $c, $l)) { sysread($c, my $b, 1); close $c }`

type listenerKind struct {
	name string
	make func(t testing.TB, backlog int) *Listener
}

var kinds = []listenerKind{
	{"unix", listenUnix},
	{"abstract", func(t testing.TB, n int) *Listener {
		name := fmt.Sprintf("@scoreboard-test\x00%d-%s", os.Getpid(), t.Name())
		return listen(t, unix.AF_UNIX, &unix.SockaddrUnix{Name: name}, n)
	}},
	{"tcp4", func(t testing.TB, n int) *Listener {
		return listen(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, n)
	}},
	{"tcp4-wildcard", func(t testing.TB, n int) *Listener { return listen(t, unix.AF_INET, &unix.SockaddrInet4{}, n) }},
	{"tcp6-wildcard", func(t testing.TB, n int) *Listener { return listen(t, unix.AF_INET6, &unix.SockaddrInet6{}, n) }},
	{"tcp6", func(t testing.TB, n int) *Listener {
		return listen(t, unix.AF_INET6, &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}, n)
	}},
}

func eachKind(t *testing.T, test func(t *testing.T, k listenerKind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

func listenUnix(t testing.TB, backlog int) *Listener {
	return listenAt(t, filepath.Join(t.TempDir(), "s"), backlog)
}

func listenAt(t testing.TB, path string, backlog int) *Listener {
	return listen(t, unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, backlog)
}

func listen(t testing.TB, family int, at unix.Sockaddr, backlog int) *Listener {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == unix.EAFNOSUPPORT {
		t.Skip("no IPv6 here")
	}
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, at))
	must(t, unix.Listen(fd, backlog))
	l, err := Open(fd)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// dial connects to l over the loopback, without waiting to be accepted.
func dial(t testing.TB, l *Listener) *client {
	t.Helper()
	fd, err := unix.Socket(l.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	c := &client{fd: fd}
	t.Cleanup(c.close)
	must(t, unix.SetNonblock(fd, true))
	at, err := unix.Getsockname(l.fd)
	must(t, err)
	switch at := at.(type) {
	case *unix.SockaddrUnix:
		at.Name = strings.Replace(l.addr.unix, "\x00", "@", 1)
	case *unix.SockaddrInet4:
		at.Addr = [4]byte{127, 0, 0, 1}
	case *unix.SockaddrInet6:
		at.Addr = netip.IPv6Loopback().As16()
	}
	if err := unix.Connect(fd, at); err != nil && err != unix.EINPROGRESS {
		t.Fatalf("cannot connect to %s: %v", l, err)
	}
	return c
}

type client struct {
	fd     int
	closed bool
}

func (c *client) close() {
	if !c.closed {
		unix.Close(c.fd)
	}
	c.closed = true
}

func (c *client) send(t testing.TB) {
	t.Helper()
	_, err := unix.Write(c.fd, []byte("x"))
	must(t, err)
}

func accept(t testing.TB, l *Listener) int {
	t.Helper()
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_CLOEXEC)
	must(t, err)
	return fd
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what another process will do. The bound is for a machine
// under load; the usual wait is a millisecond.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// await waits until the process is in the state about l.
func await(t testing.TB, pid int, l *Listener, want State) {
	t.Helper()
	var last Acceptance
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		var err error
		if last, err = Accepting(pid, l.Inode()); err == nil && last.State == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is %+v (%v), want %s", pid, last, err, want)
		}
	}
}

// readNumbers reads numbers that a role prints, one a line.
func readNumbers(t testing.TB, r *bufio.Reader, n int) []int {
	t.Helper()
	var list []int
	for range n {
		s, err := r.ReadString('\n')
		must(t, err)
		v, err := strconv.Atoi(strings.TrimSpace(s))
		must(t, err)
		list = append(list, v)
	}
	return list
}
