package listen

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

func unixInstance(t *testing.T) fcgisup.Instance {
	t.Helper()
	return fcgisup.Instance{App: "t", Number: 1, Address: fcgisup.Address{Network: "unix", Addr: filepath.Join(t.TempDir(), "1.sock")}}
}

func mustListen(t *testing.T, in fcgisup.Instance) *Socket {
	t.Helper()
	s, err := On(in, fcgisup.Socket{Mode: 0o600, Backlog: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// wantError insists on parts of an error, with the instance and the address in it.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestListenOnSetsModeOwnerAndBacklog(t *testing.T) {
	in := unixInstance(t)
	opt := fcgisup.Socket{Mode: 0o631, Backlog: 7}
	if os.Geteuid() == 0 {
		opt.User, opt.Group = "nobody", "nogroup"
	}
	s, err := On(in, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var st unix.Stat_t
	if err := unix.Stat(in.Address.Addr, &st); err != nil || st.Mode != unix.S_IFSOCK|0o631 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
	if u, err := user.Lookup("nobody"); os.Geteuid() == 0 && err == nil && strconv.Itoa(int(st.Uid)) != u.Uid {
		t.Errorf("owner %d", st.Uid)
	}
	if g, err := user.LookupGroup("nogroup"); os.Geteuid() == 0 && err == nil && strconv.Itoa(int(st.Gid)) != g.Gid {
		t.Errorf("group %d", st.Gid)
	}
	wantBacklog(t, s, 7)
}

func wantBacklog(t *testing.T, s *Socket, want int) {
	t.Helper()
	q, err := s.Listener().Queue()
	if got, known := q.Capacity.Value(); err != nil || !known || got != want {
		t.Errorf("the kernel says backlog %s, %v; want %d", q.Capacity, err, want)
	}
	if accepting, err := unix.GetsockoptInt(s.FD(), unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || accepting != 1 {
		t.Errorf("SO_ACCEPTCONN %d, %v", accepting, err)
	}
}

func TestListenOnRefusesUnknownOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives sockets away")
	}
	in := unixInstance(t)
	_, err := On(in, fcgisup.Socket{User: "no-such-user", Mode: 0o600, Backlog: 1})
	wantError(t, err, "cannot listen on "+in.Address.Addr+" for t@1", "no-such-user")
	_, err = On(in, fcgisup.Socket{Group: "no-such-group", Mode: 0o600, Backlog: 1})
	wantError(t, err, "no-such-group")
	if _, err := os.Lstat(in.Address.Addr); err == nil {
		t.Error("a socket is left")
	}
}

func TestListenOnTCP(t *testing.T) {
	for _, address := range []string{freeAddress(t), "[::1]:0"} {
		in := fcgisup.Instance{App: "t", Number: 1, Address: fcgisup.Address{Network: "tcp", Addr: address}}
		s, err := On(in, fcgisup.Socket{Backlog: 7})
		if err != nil && strings.HasPrefix(address, "[") {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		wantBacklog(t, s, 7)
		if !strings.HasPrefix(address, "[") {
			_, err = On(in, fcgisup.Socket{Backlog: 7})
			wantError(t, err, "cannot listen on "+address+" for t@1", "address already in use")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestStaleSocketFileIsReplacedAndALiveOneIsNot(t *testing.T) {
	in := unixInstance(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: in.Address.Addr})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	first := mustListen(t, in)
	_, err = On(in, fcgisup.Socket{Mode: 0o600, Backlog: 1})
	wantError(t, err, "cannot listen on "+in.Address.Addr+" for t@1", "in use by process "+strconv.Itoa(os.Getpid()))
	if first.Pending() {
		t.Error("the question was a connection, which wakes who sleeps")
	}
	if conn, err := net.Dial("unix", in.Address.Addr); err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	mustListen(t, in)
}

// TestListenOnAll: files that no process listens on are replaced, one that a process does is known from the list without
// a connection, and then none is made.
func TestListenOnAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all []fcgisup.Instance
	for n := range 3 {
		in := fcgisup.Instance{App: "t", Number: n + 1, Address: fcgisup.Address{Network: "unix", Addr: filepath.Join(dir, strconv.Itoa(n+1))}}
		all = append(all, in)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: in.Address.Addr})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	opt := fcgisup.Socket{Mode: 0o600, Backlog: 8}
	live, err := On(all[2], opt)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(clockStep + 100*time.Millisecond) // older than what is listed
	before := findListed()
	if l, err := before(all[2].Address.Addr, time.Time{}); err != nil || l.Close() != nil {
		t.Error(err)
	}
	_, err = OnAll(all, opt)
	wantError(t, err, "cannot listen on "+all[2].Address.Addr+" for t@3", "in use by process "+strconv.Itoa(os.Getpid()))
	if live.Pending() {
		t.Error("the question was a connection, which wakes who sleeps")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v are left, %v", files, err)
	}
	if err := live.Close(); err != nil {
		t.Error(err)
	}
	made, err := OnAll(all, opt)
	if err != nil || len(made) != 3 {
		t.Fatalf("%d sockets, %v", len(made), err)
	}
	for in, s := range made {
		if l, err := before(in.Address.Addr, time.Now()); err != nil || l.Inode() != s.Listener().Inode() || l.Close() != nil {
			t.Errorf("%s is younger than the list, and not found: %v", in, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFullQueueIsALiveSocket(t *testing.T) {
	in := unixInstance(t)
	s, err := On(in, fcgisup.Socket{Mode: 0o600, Backlog: 0})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := net.Dial("unix", in.Address.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = On(in, fcgisup.Socket{Mode: 0o600, Backlog: 1})
	wantError(t, err, "in use by process")
}

func TestPathThatIsNoSocketIsRefusedAndKept(t *testing.T) {
	in := unixInstance(t)
	if err := os.WriteFile(in.Address.Addr, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := On(in, fcgisup.Socket{Mode: 0o600, Backlog: 1})
	wantError(t, err, "a file that is not a socket")
	if data, err := os.ReadFile(in.Address.Addr); err != nil || string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
	in.Address.Addr = filepath.Join(t.TempDir(), "missing", "1.sock")
	_, err = On(in, fcgisup.Socket{Mode: 0o600, Backlog: 1})
	wantError(t, err, "no such file or directory")
}

func TestOfManyAtOnceOneGetsThePath(t *testing.T) {
	for _, stale := range []bool{false, true} {
		in := unixInstance(t)
		if stale {
			s := mustListen(t, in)
			s.bound = nil // as after a crash
			_ = s.Close()
		}
		var mu sync.Mutex
		var won []*Socket
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				s, err := On(in, fcgisup.Socket{Mode: 0o600, Backlog: 64})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, s)
				} else if !strings.Contains(err.Error(), "in use by") {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Fatalf("stale=%t: %d of 20 listen", stale, len(won))
		}
		if conn, err := net.Dial("unix", in.Address.Addr); err != nil {
			t.Error(err)
		} else {
			_ = conn.Close()
		}
		_ = won[0].Close()
	}
}

func TestCloseRemovesOnlyWhatIsOurs(t *testing.T) {
	in := unixInstance(t)
	s := mustListen(t, in)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(in.Address.Addr); !os.IsNotExist(err) {
		t.Errorf("after Close: %v", err)
	}
	s = mustListen(t, in)
	if err := os.Rename(in.Address.Addr, in.Address.Addr+".old"); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", in.Address.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(in.Address.Addr); err != nil {
		t.Errorf("another process's socket: %v", err)
	}
}

// inherited is a listening socket as systemd passes it.
func inherited(t *testing.T, network, address, name string) (*os.File, fcgisup.Address) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return os.NewFile(uintptr(mustDup(t, f)), name), fcgisup.Address{Network: network, Addr: l.Addr().String()}
}

func mustDup(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestAdoptMatchesByNameAndByAddress(t *testing.T) {
	dir := t.TempDir()
	path := func(n int) string { return filepath.Join(dir, fmt.Sprintf("%d.sock", n)) }
	in := func(n int, a fcgisup.Address) fcgisup.Instance {
		return fcgisup.Instance{App: "t", Number: n, Address: a}
	}
	elsewhere := fcgisup.Address{Network: "unix", Addr: "/nowhere.sock"}

	f, _ := inherited(t, "unix", path(1), "t")
	one, err := Adopt([]*os.File{f}, []fcgisup.Instance{in(4, elsewhere)})
	closeAll(t, one)
	if err != nil || len(one) != 1 {
		t.Errorf("by the app's name: %v", err)
	}

	f2, a2 := inherited(t, "unix", path(2), "t")
	f3, a3 := inherited(t, "tcp", "127.0.0.1:0", "t")
	f4, _ := inherited(t, "unix", path(4), "t@4")
	want := []fcgisup.Instance{in(2, a2), in(3, a3), in(4, elsewhere)}
	three, err := Adopt([]*os.File{f4, f3, f2}, want)
	defer closeAll(t, three)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range want[:2] {
		if three[i].Listener().String() != i.Address.Addr {
			t.Errorf("%s got %s", i, three[i].Listener())
		}
	}
	if three[want[2]].Listener().String() != path(4) {
		t.Errorf("by name: %s", three[want[2]].Listener())
	}
}

func closeAll(t *testing.T, sockets map[fcgisup.Instance]*Socket) {
	t.Helper()
	for _, s := range sockets {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAdoptedSocketIsBlockingAndItsFileIsNotOurs(t *testing.T) {
	in := unixInstance(t)
	f, _ := inherited(t, "unix", in.Address.Addr, "t")
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	got, err := Adopt([]*os.File{f}, []fcgisup.Instance{in})
	if err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	closeAll(t, got)
	if _, err := os.Lstat(in.Address.Addr); err != nil {
		t.Errorf("systemd's socket file: %v", err)
	}
}

func TestAdoptRefusesWhatDoesNotListen(t *testing.T) {
	pipe, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	made := func(kind int, name string) *os.File {
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), name)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	packets := made(unix.SOCK_SEQPACKET, "packets")
	if unix.Bind(int(packets.Fd()), &unix.SockaddrUnix{Name: "@fcgisup-test-" + strconv.Itoa(os.Getpid())}) != nil || unix.Listen(int(packets.Fd()), 1) != nil {
		t.Fatal("no SOCK_SEQPACKET here")
	}
	for name, f := range map[string]*os.File{
		"pipe":      os.NewFile(uintptr(mustDup(t, pipe)), "pipe"),
		"datagram":  made(unix.SOCK_DGRAM, "datagram"),
		"connected": os.NewFile(uintptr(pair[0]), "connected"),
		"silent":    made(unix.SOCK_STREAM, "silent"),
		"packets":   packets,
	} {
		_, err := Adopt([]*os.File{f}, []fcgisup.Instance{unixInstance(t)})
		wantError(t, err, "cannot adopt descriptor 3 ("+name+")")
		t.Log(err)
	}
}

func TestAdoptTakesAllOrNone(t *testing.T) {
	in := unixInstance(t)
	second := fcgisup.Instance{App: "t", Number: 2, Address: fcgisup.Address{Network: "unix", Addr: in.Address.Addr + "2"}}
	f, _ := inherited(t, "unix", in.Address.Addr, "x")
	_, err := Adopt([]*os.File{f}, []fcgisup.Instance{in, second})
	wantError(t, err, "none is for t@2", second.Address.Addr)

	f, _ = inherited(t, "unix", in.Address.Addr+"3", "stranger")
	_, err = Adopt([]*os.File{f}, []fcgisup.Instance{in, second})
	wantError(t, err, "descriptor 3 (stranger)", "no instance to run here listens on "+in.Address.Addr+"3")

	f1, _ := inherited(t, "unix", in.Address.Addr+"4", "t@1")
	f2, _ := inherited(t, "unix", in.Address.Addr+"5", "t@1")
	_, err = Adopt([]*os.File{f1, f2}, []fcgisup.Instance{in, second})
	wantError(t, err, "descriptor 4 (t@1)", "has a socket already")

	_, err = Adopt(nil, []fcgisup.Instance{in})
	wantError(t, err, "none is for t@1")
	f, _ = inherited(t, "unix", in.Address.Addr+"6", "t")
	_, err = Adopt([]*os.File{f}, nil)
	wantError(t, err, "descriptor 3 (t)")
}

func TestSameAddress(t *testing.T) {
	for _, test := range []struct {
		network, want, bound string
		same                 bool
	}{
		{"unix", "/run/a.sock", "/run/a.sock", true},
		{"unix", "/run/a.sock", "/run/b.sock", false},
		{"unix", "/var/run/a.sock", "/run/a.sock", true},
		{"unix", "/run/a.sock", "/var/run/a.sock", true},
		{"tcp", "127.0.0.1:80", "127.0.0.1:80", true},
		{"tcp", ":80", "[::]:80", true},
		{"tcp", ":80", "0.0.0.0:80", true},
		{"tcp", ":80", "127.0.0.1:80", false},
		{"tcp", "127.0.0.1:80", "127.0.0.1:81", false},
	} {
		if got := SameAddress(fcgisup.Address{Network: test.network, Addr: test.want}, test.bound); got != test.same {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// Should another process take a connection first, accepting does not wait for the next, and leaves no timeout to the workers.
func TestAcceptDoesNotWait(t *testing.T) {
	in := unixInstance(t)
	s := mustListen(t, in)
	if conn := s.take(); conn != nil {
		t.Fatal("taken from an empty queue")
	}
	conn, err := net.Dial("unix", in.Address.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := s.Accept()
	if got == nil {
		t.Fatal("not taken")
	}
	_ = got.Close()
	if tv, err := unix.GetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO); err != nil || *tv != (unix.Timeval{}) {
		t.Errorf("the workers are left with a timeout of %+v, %v", tv, err)
	}
	if err := s.receiveTimeout(acceptTimeout); err != nil {
		t.Fatal(err)
	}
	adopted, err := Adopt([]*os.File{dup(t, s.fd)}, []fcgisup.Instance{in})
	if err != nil {
		t.Fatal(err)
	}
	defer adopted[in].Close()
	if tv, err := unix.GetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO); err != nil || *tv != (unix.Timeval{}) {
		t.Errorf("adopted with a timeout of %+v, %v", tv, err)
	}
}

func dup(t *testing.T, fd int) *os.File {
	t.Helper()
	twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(twin), "twin")
}
