package listen

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
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
	s, err := On(fcgisup.Instance{App: "rt", Number: 1, Address: a}, opt)
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
	conn := s.Accept()
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
		if s.Shut() {
			t.Fatalf("%s: shut from the beginning", name)
		}
		former := s.Listener().Inode()
		if err := unix.Shutdown(s.fd, how); err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("unix", path); !errors.Is(err, unix.ECONNREFUSED) || !s.Shut() || s.Pending() {
			t.Fatalf("%s: %v, %v, shut %v, pending %v", name, c, err, s.Shut(), s.Pending())
		}
		if err := s.Renew(opt); err != nil {
			t.Fatal(err)
		}
		if s.Shut() || s.Listener().Inode() == former {
			t.Errorf("%s: shut %v, inode %d after %d", name, s.Shut(), s.Listener().Inode(), former)
		}
		reached(t, s, "unix", path)
		if ours, err := s.Lost(); err != nil || !ours {
			t.Errorf("%s: %v, %v", name, err, ours)
		}
	}
}

func TestATCPSocketThatWasShutDownListensAgain(t *testing.T) {
	s, opt := ownSocket(t, freeAddress(t))
	former, address := s.Listener().Inode(), s.Listener().String()
	for range 2 {
		if err := unix.Shutdown(s.fd, unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if !s.Shut() {
			t.Fatal("not seen")
		}
		if err := s.Renew(opt); err != nil {
			t.Fatal(err)
		}
		if s.Shut() || s.Listener().Inode() != former {
			t.Errorf("shut %v, inode %d, was %d", s.Shut(), s.Listener().Inode(), former)
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
	if _, err := s.Lost(); err == nil {
		t.Fatal("not seen")
	}
	if err := s.Renew(opt); err != nil {
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

// What is in use by another process is not stolen, and is theirs again at our end.
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
	if _, err := s.Lost(); err == nil {
		t.Fatal("not seen")
	}
	for range 2 {
		if err := s.Renew(opt); err == nil || !strings.Contains(err.Error(), "in use by process") {
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
	if err := s.Renew(opt); !errors.Is(err, ErrInherited) {
		t.Errorf("%v", err)
	}
}

// The loop of one instance must not hold up the news of the others, and the end of
// epoll is news.
func TestTheEndOfEpollIsHeard(t *testing.T) {
	w, err := NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := ownSocket(t, t.TempDir()+"/s.sock")
	heard := make(chan error, 1)
	if err := w.Arm(s.fd, func(err error) { heard <- err }); err != nil {
		t.Fatal(err)
	}
	w.fail(unix.EBADF)
	if err := <-heard; !errors.Is(err, unix.EBADF) {
		t.Errorf("heard %v", err)
	}
	if err := w.Arm(s.fd, func(error) {}); !errors.Is(err, unix.EBADF) {
		t.Errorf("armed after the end: %v", err)
	}
	if err := w.Close(); !errors.Is(err, unix.EBADF) {
		t.Errorf("closed with %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
