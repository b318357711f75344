package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// shutDown calls shutdown(2) on a worker's listener, as the worker might.
func shutDown(t *testing.T, worker int) {
	t.Helper()
	pidfd, err := unix.PidfdOpen(worker, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, 0, 0)
	if err != nil {
		t.Skipf("a worker's descriptors are out of reach: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
}

// TestSocketIsMadeAgain: whatever has made clients fail to reach the socket, they reach it again after some seconds,
// and a request that was under way ends well.
func TestSocketIsMadeAgain(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	for name, spoil := range map[string]func(t *testing.T, s *supervised, worker int){
		"shut down": func(t *testing.T, _ *supervised, worker int) { shutDown(t, worker) },
		"deleted": func(t *testing.T, s *supervised, _ int) {
			if err := os.Remove(s.address); err != nil {
				t.Fatal(err)
			}
		},
	} {
		s := newConfigured(t, "app", "command: ["+appPath(t, "hello.pl")+"]")
		worker := s.hello(t, nil)
		slow := make(chan error, 1)
		go func() {
			answer, err := fcgiAsk(s.network, s.address, "/sleep?ms=3000", nil, nil)
			if err == nil && !strings.Contains(answer, "slept 3000") {
				err = fmt.Errorf("answered %q", answer)
			}
			slow <- err
		}()
		s.until(t, 10*time.Second, func(st control.Status) error {
			if st.InFlight == nil || *st.InFlight != 1 {
				return errors.New("the slow request is not under way")
			}
			return nil
		})
		spoil(t, s, worker)
		within(t, 20*time.Second, func() error {
			answer, err := fcgiAsk(s.network, s.address, "/", nil, nil)
			if err == nil && !strings.Contains(answer, "hello") {
				err = fmt.Errorf("answered %q", answer)
			}
			return err
		})
		if err := <-slow; err != nil {
			t.Errorf("%s: the request under way: %v\n%s", name, err, s.log())
		}
		st := s.until(t, 20*time.Second, settled(1))
		if st.LastFailure == nil || st.LastFailure.Cause != control.ListenSocket {
			t.Errorf("%s: %+v", name, st.LastFailure)
		}
	}
}

// TestOrphansOfAKilledSupervisor: a worker's children outlive a supervisor that is killed outside systemd. The next one
// ends them; it does not refuse to start.
func TestOrphansOfAKilledSupervisor(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/php-cgi")
	s := newConfigured(t, "app", "command: [/usr/bin/php-cgi]\nenvironment: {PHP_FCGI_CHILDREN: \"2\"}")
	params := map[string]string{"SCRIPT_FILENAME": appPath(t, "hello.php")}
	child := s.hello(t, params)
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	if err := syscall.Kill(child, 0); err != nil {
		t.Fatalf("the child did not outlive the supervisor: %v", err)
	}
	next := &supervised{dir: s.dir, network: s.network, address: s.address, control: s.control, binary: s.binary, ended: make(chan struct{})}
	next.launch(t, next.binary, "run", "--config", next.configPath(), "--control", next.control)
	within(t, 20*time.Second, func() error {
		next.alive(t)
		_, err := fetchStatus(t.Context(), next.control)
		return err
	})
	if now := next.hello(t, params); now == child {
		t.Errorf("child %d of the former worker still answers", child)
	}
	if log := next.log(); !strings.Contains(log, "killed supervisor") || !strings.Contains(log, fmt.Sprint(child)) {
		t.Errorf("the log does not name child %d:\n%s", child, log)
	}
}

// TestReloadNamesKeysThatItDoesNotApply: one line names them all.
func TestReloadNamesKeysThatItDoesNotApply(t *testing.T) {
	inTurn(t, light)
	s := newConfigured(t, "more", "command: [/bin/false]")
	s.configure(t, "more", "command: [/bin/false]\nlisten: DIR/b.sock\nactivation: eager")
	out, err := s.fcgisup("reload", "more")
	if err != nil || strings.Count(out, "\n") != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"listen: " + s.dir + "/b.sock is not applied, " + s.dir + "/a.sock is in use", "activation: eager is not applied, lazy is in use"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
}
