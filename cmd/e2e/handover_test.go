package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// takeovers counts the programs that have taken over so far.
func (s *supervised) takeovers() int { return strings.Count(s.log(), "resumed=true") }

// handOver sends the signal, and waits until the next program answers.
func (s *supervised) handOver(t *testing.T, sig syscall.Signal) {
	t.Helper()
	before := s.takeovers()
	if err := s.command.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, func() error {
		s.alive(t)
		if s.takeovers() == before {
			return errors.New("no process has taken over\n" + s.log())
		}
		_, err := fetchStatus(t.Context(), s.control)
		return err
	})
}

func swapKeys(t *testing.T, interval string) string {
	t.Helper()
	return fmt.Sprintf("command: [%s, none]\nworkers: 3\nhealth: {interval: %s}", appPath(t, "liar.pl"), interval)
}

// TestHandover: the program is executed again, in the same process, again and again under load; neither a worker nor a
// request notices.
func TestHandover(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "swap", swapKeys(t, "200ms"))
	first := s.hello(t, nil)
	s.until(t, 20*time.Second, settled(3))
	s.until(t, 20*time.Second, pinged)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil { // a crash to be remembered
		t.Fatal(err)
	}
	st := s.until(t, 20*time.Second, func(st control.Status) error {
		if slices.Contains(pids(st), first) {
			return errors.New("not replaced yet")
		}
		return settled(3)(st)
	})
	before := pids(st)
	socket, err := os.Stat(s.address)
	if err != nil {
		t.Fatal(err)
	}

	requests := startLoad(2, s.asks("/sleep?ms=5", nil))
	n := rounds(t, 5)
	for range n {
		s.handOver(t, syscall.SIGUSR2)
	}
	requests.end(t, fmt.Sprintf("requests over %d handovers", n))

	st = s.until(t, 5*time.Second, isUp)
	if now := pids(st); !slices.Equal(now, before) {
		t.Errorf("workers were %v, now %v\n%s", before, now, s.log())
	}
	if st.Restarts[control.Crash] != 1 || st.LastFailure == nil || st.LastFailure.PID != first {
		t.Errorf("the crash of %d is forgotten: %s", first, describe(st))
	}
	if now, err := os.Stat(s.address); err != nil || !os.SameFile(socket, now) {
		t.Errorf("the socket file is another one: %v", err)
	}
	s.livesOn(t)
}

// livesOn: after a handover a worker's output is still read, its death noticed, the end as clean as ever.
func (s *supervised) livesOn(t *testing.T) {
	t.Helper()
	within(t, 10*time.Second, func() error {
		_, _ = fcgiAsk(s.network, s.address, "/say", nil, nil)
		for _, pid := range pids(s.one(t)) {
			if words := fmt.Sprintf("said by %d\n", pid); !strings.Contains(s.log(), words) {
				return fmt.Errorf("not in the log: %s%s", words, s.log())
			}
		}
		return nil
	})
	// The end of a worker would be put down to a ping that is under way.
	s.configure(t, "swap", swapKeys(t, "0s"))
	s.reload(t, "swap")
	_, _ = fcgiAsk(s.network, s.address, "/exit", nil, nil)
	st := s.until(t, 10*time.Second, func(st control.Status) error {
		if st.Restarts[control.Crash] != 2 || len(pids(st)) != 3 {
			return fmt.Errorf("%s; want a second crash and three workers", describe(st))
		}
		return nil
	})
	if f := st.LastFailure; f.Detail != "exit status 3" || !slices.Contains(f.Output, fmt.Sprintf("said by %d", f.PID)) {
		t.Errorf("last failure %+v; want exit status 3, and its last words", f)
	}
	if _, err := s.fcgisup("restart", "swap"); err != nil {
		t.Errorf("restart: %v\n%s", err, s.log())
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.command.Process.Pid))
	if err != nil || len(fds) > 30 {
		t.Errorf("%d descriptors are open (%v): each handover leaves some", len(fds), err)
	}
	s.stop(t, s.hello(t, nil))
}

// TestHandoverInMidLife: a worker that is being stopped, one that serves, and an instance that sleeps are taken over as
// they are.
func TestHandoverInMidLife(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "swap", fmt.Sprintf("command: [%s]\nlimits: {idle_timeout: 1s}\nhealth: {interval: 200ms}", appPath(t, "hello.pl")))
	long := s.sends("/sleep?ms=8000")
	s.until(t, 20*time.Second, func(st control.Status) error {
		if len(pids(st)) != 1 || *st.InFlight != 1 {
			return errors.New("not served yet")
		}
		return nil
	})
	s.handOver(t, syscall.SIGUSR2)
	st := s.until(t, 6*time.Second, func(st control.Status) error {
		if st.InFlight == nil || *st.InFlight != 1 || len(st.Workers) == 0 || st.Workers[0].Busy == nil || !*st.Workers[0].Busy {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if by := answeredBy(t, <-long); by != st.Workers[0].PID {
		t.Errorf("answered by %d, not by %d", by, st.Workers[0].PID)
	}
	s.until(t, 10*time.Second, sleeps)
	s.handOver(t, syscall.SIGUSR2)
	if err := sleeps(s.one(t)); err != nil {
		t.Errorf("after the handover: %v", err)
	}
	worker := s.hello(t, nil)
	s.stop(t, worker)
}

// TestHandoverRefused: a program or a configuration that cannot take over changes nothing, and is told of.
func TestHandoverRefused(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	keys := fmt.Sprintf("command: [%s]\nworkers: 2", appPath(t, "hello.pl"))
	s := newConfigured(t, "swap", keys)
	s.hello(t, nil)
	before := pids(s.until(t, 20*time.Second, settled(2)))
	requests := startLoad(1, s.asks("/sleep?ms=5", nil))
	refused := func(what string, sig syscall.Signal) {
		t.Helper()
		told := strings.Count(s.log(), "cannot hand over")
		if err := s.command.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, func() error {
			s.alive(t)
			if strings.Count(s.log(), "cannot hand over") == told {
				return fmt.Errorf("%s is not refused\n%s", what, s.log())
			}
			return nil
		})
		if st := s.one(t); !slices.Equal(pids(st), before) || s.takeovers() > 0 {
			t.Errorf("%s: workers were %v; %s", what, before, describe(st))
		}
	}

	good, err := os.ReadFile(s.configPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.configPath(), []byte("apps: {swap: {comand: []}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	refused("an invalid configuration", syscall.SIGUSR2)
	if err := os.WriteFile(s.configPath(), good, 0o644); err != nil {
		t.Fatal(err)
	}
	s.replaceProgram(t, "#!/bin/sh\necho a broken build\nexit 1\n", 0o755)
	refused("a program that fails", syscall.SIGHUP)
	if !strings.Contains(s.log(), "a broken build") {
		t.Errorf("what the program said is not in the log:\n%s", s.log())
	}
	s.replaceProgram(t, "\x7fELF", 0o755)
	refused("half a program", syscall.SIGHUP)
	s.replaceProgram(t, "#!/bin/sh\nexit 0\n", 0o644)
	refused("a program that may not be executed", syscall.SIGUSR2)
	if err := os.Remove(s.binary); err != nil {
		t.Fatal(err)
	}
	refused("no program", syscall.SIGUSR2)

	// A good one is taken at once, by the signal that systemctl reload sends.
	copyFcgisup(t, s.binary+".new")
	if err := os.Rename(s.binary+".new", s.binary); err != nil {
		t.Fatal(err)
	}
	s.handOver(t, syscall.SIGHUP)
	if now := pids(s.until(t, 5*time.Second, isUp)); !slices.Equal(now, before) {
		t.Errorf("workers were %v, now %v", before, now)
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.command.Process.Pid))
	if err != nil || exe != s.binary {
		t.Errorf("the process runs %s, %v", exe, err)
	}
	requests.end(t, "requests over all of it")
	s.stop(t, s.hello(t, nil))
}

// replaceProgram puts a file in the place of the running program, as a package manager does.
func (s *supervised) replaceProgram(t *testing.T, text string, mode os.FileMode) {
	t.Helper()
	next := filepath.Join(filepath.Dir(s.binary), "next")
	if err := os.WriteFile(next, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(next, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, s.binary); err != nil {
		t.Fatal(err)
	}
}

// TestControlSocketComesLater: a program that takes over while its control socket cannot be made, as on a full disk, goes
// on without, and makes it once that can be done.
func TestControlSocketComesLater(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newSupervised(t)
	s.binary = fcgisupBinary(t)
	s.configure(t, "later", fmt.Sprintf("command: [%s, none]", appPath(t, "liar.pl")))
	folder := filepath.Join(s.dir, "control")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s.control = filepath.Join(folder, "control.sock")
	s.launch(t, s.binary, "run", "--config", s.configPath(), "--control", s.control)
	within(t, 20*time.Second, func() error {
		s.alive(t)
		_, err := fetchStatus(t.Context(), s.control)
		return err
	})
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	before := s.takeovers()
	if err := s.command.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, func() error {
		s.alive(t)
		if s.takeovers() == before {
			return errors.New("no process has taken over\n" + s.log())
		}
		return nil
	})
	s.hello(t, nil)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, func() error {
		s.alive(t)
		_, err := fetchStatus(t.Context(), s.control)
		return err
	})
	s.handOver(t, syscall.SIGUSR2) // which ends what came later as it ends the rest
	s.stop(t, s.hello(t, nil))
}
