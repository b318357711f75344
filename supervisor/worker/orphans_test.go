package worker

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// socketAt is a socket of the test's user.
func socketAt(t *testing.T, address string) (*listen.Socket, fcgisup.Socket) {
	t.Helper()
	opt := fcgisup.Default("rt").Socket
	opt.User, opt.Group = "", ""
	a, err := fcgisup.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := listen.On(fcgisup.Instance{App: "rt", Number: 1, Address: a}, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, opt
}

// reaches reports whether a client reaches the socket, and not another.
func reaches(s *listen.Socket, network, address string) bool {
	c, err := net.Dial(network, address)
	if err != nil {
		return false
	}
	defer c.Close()
	conn := s.Accept()
	if conn == nil {
		return false
	}
	return conn.Close() == nil
}

// leaveBehind starts a process with the listener as its standard input, as a worker's
// child has it, and this variable.
func leaveBehind(t *testing.T, s *listen.Socket, variable string) (ended <-chan struct{}, pid int) {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	listener := os.NewFile(uintptr(fd), "listener")
	defer listener.Close()
	cmd := exec.Command("/bin/sleep", "3600")
	cmd.Stdin, cmd.Env = listener, []string{"A=1", variable, "B=2"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	// Start returns while execve(2) goes on: the new program's name and environment are there a moment later.
	eventually(t, "the program's environment", func() bool {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
		return err == nil && len(environ) > 0
	})
	return done, cmd.Process.Pid
}

func isEnded(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-time.After(50 * time.Millisecond):
		return false
	}
}

// deadPID is the number of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestOrphansOfAKilledSupervisorAreEnded(t *testing.T) {
	self, err := scoreboard.ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dead := deadPID(t)
	for name, test := range map[string]struct {
		variable string // with %s for the address
		orphan   bool
	}{
		"a worker's child":              {fmt.Sprintf("FCGISUP_WORKER=rt@1:%d:77:%%s", dead), true},
		"of a number that is another's": {fmt.Sprintf("FCGISUP_WORKER=rt@1:%d:1:%%s", os.Getpid()), true},
		"its supervisor lives":          {fmt.Sprintf("FCGISUP_WORKER=rt@1:%d:%d:%%s", os.Getpid(), self.Start), false},
		"of another app":                {fmt.Sprintf("FCGISUP_WORKER=r@1:%d:77:%%s", dead), false},
		"of another instance":           {fmt.Sprintf("FCGISUP_WORKER=rt@11:%d:77:%%s", dead), false},
		"of another address":            {fmt.Sprintf("FCGISUP_WORKER=rt@1:%d:77:%%s2", dead), false},
		"of no worker":                  {"X_FCGISUP_WORKER=rt@1:1:1:%s", false},
		"nonsense":                      {"FCGISUP_WORKER=rt@1:x:0:%s", false},
	} {
		for _, network := range []string{"unix", "tcp"} {
			t.Run(name+", "+network, func(t *testing.T) {
				address := t.TempDir() + "/s.sock"
				if network == "tcp" {
					address = freePort(t)
				}
				s, opt := socketAt(t, address)
				in := fcgisup.Instance{App: "rt", Number: 1, Address: fcgisup.Address{Network: network, Addr: address}}
				ended, pid := leaveBehind(t, s, fmt.Sprintf(test.variable, address))
				if s.Bound() != nil {
					s.Bound().Ino = 0 // a killed supervisor removes no file
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				app := fcgisup.Default("rt")
				app.User = ""
				var log journal
				err := EndOrphans(app, []fcgisup.Instance{in}, slog.New(slog.NewTextHandler(&log, nil)))
				if !test.orphan {
					if isEnded(ended) || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d (sleep)", pid)) {
						t.Errorf("ended %v, %v", isEnded(ended), err)
					}
					return
				}
				if err != nil || !isEnded(ended) || !strings.Contains(log.String(), fmt.Sprint(pid)) {
					t.Fatalf("%v, ended %v, log %s", err, isEnded(ended), log.String())
				}
				next, err := listen.On(in, opt)
				if err != nil {
					t.Fatal(err)
				}
				if !reaches(next, network, address) {
					t.Error("a client does not reach the new socket")
				}
				_ = next.Close()
			})
		}
	}
}

// Another process has the socket as well: none is ended, and it is named.
func TestAForeignHolderSavesTheOrphans(t *testing.T) {
	path := t.TempDir() + "/s.sock"
	s, _ := socketAt(t, path)
	in := fcgisup.Instance{App: "rt", Number: 1, Address: fcgisup.Address{Network: "unix", Addr: path}}
	orphan, _ := leaveBehind(t, s, fmt.Sprintf("FCGISUP_WORKER=rt@1:%d:77:%s", deadPID(t), path))
	foreign, pid := leaveBehind(t, s, "C=3")
	s.Bound().Ino = 0 // a killed supervisor removes no file
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	app := fcgisup.Default("rt")
	app.User = ""
	err := EndOrphans(app, []fcgisup.Instance{in}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d (sleep)", pid)) || isEnded(orphan) || isEnded(foreign) {
		t.Errorf("%v", err)
	}
}

// What holds a socket whose file is gone blocks no new socket, but lives forever.
func TestOrphansWithoutASocketFileAreEnded(t *testing.T) {
	path := t.TempDir() + "/s.sock"
	s, _ := socketAt(t, path)
	in := fcgisup.Instance{App: "rt", Number: 1, Address: fcgisup.Address{Network: "unix", Addr: path}}
	ended, _ := leaveBehind(t, s, fmt.Sprintf("FCGISUP_WORKER=rt@1:%d:77:%s", deadPID(t), path))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path+"2")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	app := fcgisup.Default("rt")
	app.User = ""
	if err := EndOrphans(app, []fcgisup.Instance{in}, slog.New(slog.DiscardHandler)); err != nil || !isEnded(ended) {
		t.Errorf("%v, ended %v", err, isEnded(ended))
	}
}
