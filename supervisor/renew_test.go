package supervisor

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func ownSocket(t *testing.T, listen string) (*Socket, fcgisup.Socket) {
	t.Helper()
	app := fcgisup.Default("rt")
	opt := app.Socket
	opt.User, opt.Group, opt.Backlog = "", "", 16
	a, err := fcgisup.ParseAddress(listen)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ListenOn(fcgisup.Instance{App: "rt", Number: 1, Address: a}, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, opt
}

// reached fails unless a client reaches the socket, and not another.
func reached(t *testing.T, s *Socket, network, address string) {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := s.accept()
	if conn == nil {
		t.Fatal("the connection came to another socket")
	}
	_ = conn.Close()
}

// A worker has the listener, so it can shut it down for everybody.
func TestASocketThatWasShutDownIsMadeAgain(t *testing.T) {
	for how, name := range map[int]string{unix.SHUT_RD: "for reading", unix.SHUT_RDWR: "for all"} {
		path := t.TempDir() + "/s.sock"
		s, opt := ownSocket(t, path)
		if s.shut() {
			t.Fatalf("%s: shut from the beginning", name)
		}
		former := s.listener().Inode()
		if err := unix.Shutdown(s.fd, how); err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("unix", path); !errors.Is(err, unix.ECONNREFUSED) || !s.shut() || s.pending() {
			t.Fatalf("%s: %v, %v, shut %v, pending %v", name, c, err, s.shut(), s.pending())
		}
		if err := s.renew(opt); err != nil {
			t.Fatal(err)
		}
		if s.shut() || s.listener().Inode() == former {
			t.Errorf("%s: shut %v, inode %d after %d", name, s.shut(), s.listener().Inode(), former)
		}
		reached(t, s, "unix", path)
		if ours, err := s.lost(); err != nil || !ours {
			t.Errorf("%s: %v, %v", name, err, ours)
		}
	}
}

func TestATCPSocketThatWasShutDownListensAgain(t *testing.T) {
	s, opt := ownSocket(t, freePort(t))
	former, address := s.listener().Inode(), s.listener().String()
	for range 2 {
		if err := unix.Shutdown(s.fd, unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if !s.shut() {
			t.Fatal("not seen")
		}
		if err := s.renew(opt); err != nil {
			t.Fatal(err)
		}
		if s.shut() || s.listener().Inode() != former {
			t.Errorf("shut %v, inode %d, was %d", s.shut(), s.listener().Inode(), former)
		}
		reached(t, s, "tcp", address)
	}
}

func TestADeletedSocketFileIsMadeAgain(t *testing.T) {
	path := t.TempDir() + "/s.sock"
	s, opt := ownSocket(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.lost(); err == nil {
		t.Fatal("not seen")
	}
	if err := s.renew(opt); err != nil {
		t.Fatal(err)
	}
	reached(t, s, "unix", path)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a closed socket: %v", err)
	}
}

// What is in use by somebody else is not stolen, and is theirs again at our end.
func TestASocketFileOfOthersIsLeft(t *testing.T) {
	path := t.TempDir() + "/s.sock"
	s, opt := ownSocket(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := s.lost(); err == nil {
		t.Fatal("not seen")
	}
	for range 2 {
		if err := s.renew(opt); err == nil || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("%v; want who uses it", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other's file: %v", err)
	}
}

func TestASocketOfSystemdIsNamed(t *testing.T) {
	s, opt := ownSocket(t, t.TempDir()+"/s.sock")
	s.bound = nil
	if err := s.renew(opt); !errors.Is(err, errInherited) {
		t.Errorf("%v", err)
	}
}

func TestWorkersMoveToTheFreshSocket(t *testing.T) {
	for _, bad := range []string{"shut", "lost"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
				eager(a, h)
				a.Workers = fcgisup.Workers{Min: 2, Max: 2}
				h.ownFile = true
			})
			time.Sleep(5 * time.Second)
			b.host.spoil(bad)
			time.Sleep(3 * socketEvery)
			st := b.status.Load()
			if st.State != control.Up || len(st.Workers) != 2 || b.host.spawned() != 4 || b.host.renewed() != 1 {
				t.Errorf("%s: %s, %d workers, %d spawned, %d renewals", bad, st.State, len(st.Workers), b.host.spawned(), b.host.renewed())
			}
			for _, p := range b.host.procs[2:] {
				if p.outdated() {
					t.Errorf("%s: a worker has the former socket", bad)
				}
			}
			if st.LastFailure == nil || st.LastFailure.Cause != control.ListenSocket {
				t.Errorf("%s: %+v", bad, st.LastFailure)
			}
		})
	}
}

// A listener that was shut down looks to epoll as if a connection waited, always.
func TestASocketThatCannotBeMadeAgainFailsAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			eager(a, h)
			h.unrenewable = true
		})
		time.Sleep(5 * time.Second)
		b.host.spoil("shut")
		b.host.connected() // epoll
		time.Sleep(10 * socketRetry)
		st := b.status.Load()
		if st.State != control.InstanceFailing || st.LastFailure == nil || !strings.Contains(st.LastFailure.Detail, "somebody else's") {
			t.Errorf("%s, %+v", st.State, st.LastFailure)
		}
		if n := b.host.renewed(); n < 9 || n > 12 {
			t.Errorf("%d attempts in %s", n, 10*socketRetry)
		}
		b.host.last().die(1)
		time.Sleep(time.Second)
		if st := b.status.Load(); st.LastFailure.Cause != control.ListenSocket {
			t.Errorf("a worker's failure hides the socket's: %+v", st.LastFailure)
		}
		b.host.spoil("")
		time.Sleep(2 * socketRetry)
		if st := b.status.Load(); st.State != control.Up {
			t.Errorf("%s once it works again", st.State)
		}
	})
}

// The loop of one instance must not hold up the news of the others, and the end of
// epoll is news.
func TestTheEndOfEpollIsHeard(t *testing.T) {
	w, err := newWatcher()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := ownSocket(t, t.TempDir()+"/s.sock")
	heard := make(chan error, 1)
	if err := w.arm(s.fd, func(err error) { heard <- err }); err != nil {
		t.Fatal(err)
	}
	w.fail(unix.EBADF)
	if err := <-heard; !errors.Is(err, unix.EBADF) {
		t.Errorf("heard %v", err)
	}
	if err := w.arm(s.fd, func(error) {}); !errors.Is(err, unix.EBADF) {
		t.Errorf("armed after the end: %v", err)
	}
	if err := w.close(); !errors.Is(err, unix.EBADF) {
		t.Errorf("closed with %v", err)
	}
}

func TestWithoutEpollAnInstanceStaysAwakeAndLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) { a.Limits.IdleTimeout = time.Minute })
		synctest.Wait()
		if st := b.status.Load(); st.State != control.Sleeping {
			t.Fatal(st.State)
		}
		b.host.mu.Lock()
		f := b.host.wake
		b.host.mu.Unlock()
		f(errors.New("epoll has ended"))
		time.Sleep(10 * time.Minute)
		if st := b.status.Load(); st.State != control.Up {
			t.Errorf("%s; an instance that nothing can wake must not sleep", st.State)
		}
		b.host.mu.Lock()
		b.host.waiting++ // and nobody tells
		b.host.mu.Unlock()
		time.Sleep(5 * time.Second)
		if st := b.status.Load(); st.board.Queue.Length != 1 {
			t.Error("a connection was not looked for")
		}
	})
}
