package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// sessionsKeys are of a program that has three children, each in a session of its own, and waits for them.
func sessionsKeys(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("command: [/usr/bin/perl, -MPOSIX=setsid, -e, 'for (1 .. 3) { next if fork; setsid; exec @ARGV } 1 while wait > 0', %s]\n"+
		"activation: eager\nlimits: {start_timeout: 20s}", appPath(t, "hello.pl"))
}

// sessions waits until a worker other than before is up with its three children, and returns all four.
func (s *supervised) sessions(t *testing.T, before int) (all []int) {
	t.Helper()
	s.until(t, 30*time.Second, func(st control.Status) error {
		if err := settled(1)(st); err != nil {
			return err
		}
		leader := pids(st)[0]
		children, err := scoreboard.Children(leader)
		all = append([]int{leader}, children...)
		if leader == before || len(all) != 4 {
			return fmt.Errorf("processes %v (%v)\n%s", all, err, describe(st))
		}
		return nil
	})
	return all
}

// becomeDead waits for processes.
func (s *supervised) becomeDead(t *testing.T, processes []int) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		for _, pid := range processes {
			if !dead(pid) {
				return fmt.Errorf("process %d of %v is left\n%s", pid, processes, s.log())
			}
		}
		return nil
	})
}

// TestChildrenThatLeaveTheGroup: a worker whose children have left its process group is ready, restarted and stopped like
// any other, and nothing of it is left behind.
func TestChildrenThatLeaveTheGroup(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "sessions", sessionsKeys(t))
	first := s.sessions(t, 0)
	if answered := s.hello(t, nil); !slices.Contains(first[1:], answered) {
		t.Errorf("process %d has answered, not one of %v", answered, first)
	}
	requests := startLoad(2, s.asks("/sleep?ms=5", nil))
	if out, err := s.fcgisup("restart", "sessions"); err != nil {
		t.Errorf("restart: %v\n%s", err, out)
	}
	second := s.sessions(t, first[0])
	s.becomeDead(t, first)
	requests.end(t, "requests over a restart")
	st := s.one(t)
	if len(st.Restarts) > 0 && st.Restarts[control.Crash]+st.Restarts[control.StartTimeout] > 0 {
		t.Errorf("%s", describe(st))
	}

	// Only the first process ends with a supervisor that is killed; the next supervisor ends the others.
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	s.becomeDead(t, second[:1])
	s.ended = make(chan struct{})
	s.launch(t, s.binary, "run", "--config", s.configPath(), "--control", s.control)
	within(t, 20*time.Second, func() error {
		_, err := fetchStatus(t.Context(), s.control)
		return errors.Join(err, s.gone())
	})
	s.becomeDead(t, second)
	third := s.sessions(t, second[0])
	s.stop(t, third[0])
	s.becomeDead(t, third)
}

// gone says how the supervisor has ended, nil if it lives.
func (s *supervised) gone() error {
	select {
	case <-s.ended:
		return fmt.Errorf("ended: %w\n%s", s.err, s.log())
	default:
		return nil
	}
}
