package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// matrix is table 9: what each peer does when it is tried, and what its manual says where trying shows nothing.
type matrix struct {
	Peers   []string      `yaml:"peers"` // tried with the program
	Program string        `yaml:"program"`
	PHP     []string      `yaml:"php"` // tried with the PHP program
	Workers int           `yaml:"workers"`
	Limit   time.Duration `yaml:"limit"` // on each wait
	Manual  []manualRow   `yaml:"manual"`
}

// manualRow is a feature by reference: a word for each peer that is named, and "no" for the others.
type manualRow struct {
	Feature string            `yaml:"feature"`
	Source  string            `yaml:"source"`
	Peers   map[string]string `yaml:"peers"`
	Else    string            `yaml:"else"`
}

// trial is a feature that is tried on a service of its own.
type trial struct {
	feature string
	lazy    bool
	try     func(ctx context.Context, m *matrix, s *peers.Service, c *crew) (string, error)
}

var trials = []trial{
	{"starts with the first request", true, trySleeping},
	{"replaces a killed worker", false, tryReplacement},
	{"answers right after its supervisor was killed", false, tryOrphans},
	{"has a supervisor again", false, tryResurrection},
	{"restarts without a failed request", false, tryRestart},
	{"doubles its workers without a failed request", false, tryScale},
}

func (m *matrix) measure(ctx context.Context, b *bench, t *report.Table) error {
	names := slices.Concat(m.Peers, m.PHP)
	t.Columns = names
	for _, trial := range trials {
		b.say("matrix: %s", trial.feature)
		row := report.Row{Group: "tried", Name: trial.feature}
		cells := m.tryAll(ctx, b, trial)
		for _, name := range names {
			row.Cells = append(row.Cells, cells[name])
		}
		t.Rows = append(t.Rows, row)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, manual := range m.Manual {
		row := report.Row{Group: "by its manual", Name: manual.Feature}
		for _, name := range names {
			word, ok := manual.Peers[name]
			if !ok {
				word = manual.Else
			}
			row.Cells = append(row.Cells, report.Word("%s", word))
		}
		t.Rows = append(t.Rows, row)
		t.Notes = append(t.Notes, fmt.Sprintf("%s: %s", manual.Feature, manual.Source))
	}
	return nil
}

// tryAll tries all peers at once: each has a service of its own, and nothing here is about speed.
func (m *matrix) tryAll(ctx context.Context, b *bench, trial trial) map[string]report.Cell {
	cells := map[string]report.Cell{}
	var mu sync.Mutex
	for _, part := range parts(m.Program, m.Peers, m.PHP) {
		program, err := b.program(part.program)
		if err != nil {
			continue
		}
		err = b.with(ctx, part.peers, peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096, Lazy: trial.lazy}, func(c *crew) error {
			var all sync.WaitGroup
			for _, name := range c.able() {
				all.Go(func() {
					word, err := trial.try(ctx, m, c.services[name], c)
					cell := report.Word("%s", word)
					if err != nil {
						cell = report.Cell{Text: "no", Reason: firstLine(err)}
					}
					mu.Lock()
					defer mu.Unlock()
					cells[name] = cell
				})
			}
			all.Wait()
			for name, reason := range c.reasons {
				cells[name] = report.Cell{Text: "no", Reason: reason}
			}
			return nil
		})
		if err != nil {
			b.say("matrix: %v", err)
		}
	}
	return cells
}

func trySleeping(ctx context.Context, m *matrix, s *peers.Service, _ *crew) (string, error) {
	if n := len(s.Processes().Workers); n > 0 {
		return "", fmt.Errorf("%d of its workers ran before any request", n)
	}
	return answers(ctx, m, s)
}

func answers(ctx context.Context, m *matrix, s *peers.Service) (string, error) {
	limited, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	client := s.Client()
	defer client.Close()
	if err := client.Do(limited, "/"); err != nil {
		return "", err
	}
	return "yes", nil
}

func tryReplacement(ctx context.Context, m *matrix, s *peers.Service, _ *crew) (string, error) {
	before := s.Processes().Workers
	if len(before) == 0 {
		return "", errors.New("it has no worker")
	}
	if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
		return "", err
	}
	client := s.Client()
	defer client.Close()
	return until(ctx, m, func() bool {
		limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_ = client.Do(limited, "/") // some replace a worker when the next request needs it
		return slices.ContainsFunc(s.Processes().Workers, func(pid int) bool { return !slices.Contains(before, pid) })
	}, "no other worker in %v")
}

// until waits for something and says how long it took.
func until(ctx context.Context, m *matrix, done func() bool, never string) (string, error) {
	for begin := time.Now(); time.Since(begin) < m.Limit && ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
		if done() {
			return "yes", nil
		}
	}
	return "", fmt.Errorf(never, m.Limit)
}

var errNoSupervisor = errors.New("nothing of it stays beside the workers")

func tryOrphans(ctx context.Context, m *matrix, s *peers.Service, _ *crew) (string, error) {
	supervisors := s.Processes().Supervisors
	if len(supervisors) == 0 && s.Peer == "systemd units" {
		return "PID 1 cannot be killed", nil
	}
	for _, pid := range supervisors {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return "", err
		}
	}
	if len(supervisors) == 0 {
		return "", errNoSupervisor
	}
	return answers(ctx, m, s)
}

func tryResurrection(ctx context.Context, m *matrix, s *peers.Service, c *crew) (string, error) {
	before := s.Processes().Supervisors
	if word, err := tryOrphans(ctx, m, s, c); errors.Is(err, errNoSupervisor) || word != "" && word != "yes" {
		return word, err
	}
	return until(ctx, m, func() bool {
		now := s.Processes().Supervisors
		return len(now) > 0 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) })
	}, "none in %v")
}

func tryRestart(ctx context.Context, m *matrix, s *peers.Service, c *crew) (string, error) {
	return withoutLoss(ctx, m, s, c, peers.Restart)
}

func tryScale(ctx context.Context, m *matrix, s *peers.Service, c *crew) (string, error) {
	return withoutLoss(ctx, m, s, c, peers.Scale)
}

func withoutLoss(ctx context.Context, m *matrix, s *peers.Service, c *crew, op peers.Op) (string, error) {
	action := s.Action(op)
	if action.Do == nil {
		return "", errors.New(action.Reason)
	}
	done := make(chan outcome, 1)
	go func() {
		pause(ctx, m.Limit/5)
		done <- carryOut(ctx, s, op, action)
	}()
	r := c.openLoop(ctx, s.Peer, load.Plan{Rate: 50, Duration: m.Limit, Timeout: m.Limit, Shares: []load.Share{{Path: "/sleep?ms=20", Weight: 1}}})
	o := <-done
	if o.err != nil {
		return "", o.err
	}
	if n := r.Failed(); n > 0 {
		return "", fmt.Errorf("%d of %d requests failed", n, len(r.Events))
	}
	if o.missing != nil {
		return "", o.missing
	}
	return "yes", nil
}
