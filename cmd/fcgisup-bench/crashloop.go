package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// crashLoop is the second part of table 4: a program that ends at once, for a while, and is then fixed, in one way and
// in another. All peers have it at the same time: their load is light, and waiting is most of it.
type crashLoop struct {
	Peers   []string      `yaml:"peers"`
	Workers int           `yaml:"workers"`
	Broken  time.Duration `yaml:"broken"`
	Limit   time.Duration `yaml:"limit"` // on the wait for recovery
	Rate    float64       `yaml:"rate"`  // of requests to each peer, all the time
}

const crashLoopPath = "/"

// repair is a way for a program to be broken and whole again: both are one step, and all peers run the same file.
type repair struct {
	name                    string
	path                    string // of the program
	prepare, spoil, restore func() error
}

// repairs are those that differ: a manager may see that a file is another one, but not that a database is back.
func repairs(dir, command string) []repair {
	replaced, needy, flag := filepath.Join(dir, "replaced"), filepath.Join(dir, "needy"), filepath.Join(dir, "away")
	const broken = "#!/bin/sh\nexit 1\n"
	good := "#!/bin/sh\nexec " + command + "\n"
	return []repair{
		{
			"the program's file is replaced", replaced,
			func() error { return replace(replaced, good) },
			func() error { return replace(replaced, broken) },
			func() error { return replace(replaced, good) },
		},
		{
			"what it needs comes back", needy,
			func() error { return replace(needy, "#!/bin/sh\n[ -e "+flag+" ] && exit 1\nexec "+command+"\n") },
			func() error { return os.WriteFile(flag, nil, 0o644) },
			func() error { return os.Remove(flag) },
		},
	}
}

// replace makes a program, or makes it another one as deployments do: a new file is renamed over it.
func replace(path, text string) error {
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o755); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func (m *crashLoop) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"serves again, s after the fix", "asked while broken", "answered in the end", "failed", "slowest failure, ms"}
	plot := report.Plot{Name: "crashloop", Title: fmt.Sprintf("A crash loop of %v, fixed: until it serves again", m.Broken), X: report.Axis{Label: fmt.Sprintf("s; %v: never", m.Limit)}}
	program, err := b.program("C")
	if err != nil {
		return err
	}
	for _, way := range repairs(b.host.Dir, program.Command[0]) {
		if err := way.prepare(); err != nil {
			return err
		}
		program.Command = []string{way.path}
		err := b.with(ctx, m.Peers, peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096}, func(c *crew) error {
			return m.one(ctx, b, c, way, t, &plot)
		})
		if err != nil {
			return err
		}
	}
	t.Plots = append(t.Plots, plot)
	return nil
}

// one breaks and fixes all peers' program in one way.
func (m *crashLoop) one(ctx context.Context, b *bench, c *crew, way repair, t *report.Table, plot *report.Plot) error {
	b.say("crash loop: %v, then %s", m.Broken, way.name)
	if err := way.spoil(); err != nil {
		return err
	}
	begin := time.Now()
	results := m.watch(ctx, b, c)
	for _, s := range c.services {
		for _, pid := range s.Processes().Workers {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	pause(ctx, time.Until(begin.Add(m.Broken)))
	if err := way.restore(); err != nil {
		return err
	}
	fixed := time.Now()
	b.say("crash loop: fixed")
	m.rows(c, t, plot, way.name, fixed, results())
	return ctx.Err()
}

// watch asks all until each has recovered or the limit has come.
func (m *crashLoop) watch(ctx context.Context, b *bench, c *crew) (results func() map[string]*load.Result) {
	var all sync.WaitGroup
	var mu sync.Mutex
	found := map[string]*load.Result{}
	for _, name := range c.able() {
		all.Go(func() {
			plan := load.Plan{Rate: m.Rate, Duration: m.Broken + m.Limit, Timeout: 10 * time.Second, Seed: b.seed, Shares: []load.Share{{Path: crashLoopPath, Weight: 1}}}
			r := c.openLoopUntil(ctx, name, plan, m.Broken)
			mu.Lock()
			defer mu.Unlock()
			found[name] = r
		})
	}
	return func() map[string]*load.Result { all.Wait(); return found }
}

// openLoopUntil sends no more once a request is answered that was sent after a moment. What still waits then may be
// answered as well: it is in another worker's queue.
func (c *crew) openLoopUntil(ctx context.Context, name string, plan load.Plan, after time.Duration) *load.Result {
	enough, answered := context.WithCancel(ctx)
	defer answered()
	plan.Enough = enough.Done()
	client := &watched{Client: c.front.Client(c.services[name]), begin: time.Now(), after: after, answered: answered}
	defer client.Close()
	return load.Run(ctx, client, plan)
}

type watched struct {
	load.Client
	begin    time.Time
	after    time.Duration
	answered func()
}

func (w *watched) Do(ctx context.Context, path string) error {
	sent := time.Since(w.begin)
	err := w.Client.Do(ctx, path)
	if err == nil && sent > w.after {
		w.answered()
	}
	return err
}

func (m *crashLoop) rows(c *crew, t *report.Table, plot *report.Plot, group string, fixed time.Time, results map[string]*load.Result) {
	for _, name := range c.names {
		r := results[name]
		if r == nil {
			t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
			continue
		}
		cell, seconds := report.Word("**never** (in %v)", m.Limit), m.Limit.Seconds()
		if back, err := recovered(r, fixed.Sub(r.Began)); err == nil {
			cell, seconds = report.Number(back.Seconds(), ""), back.Seconds()
		}
		during := load.Between(time.Second, fixed.Sub(r.Began)) // what was under way when it broke is over
		slowest, asked := time.Duration(0), 0
		for _, e := range r.Events {
			if during(e) {
				asked++
				if e.Kind != "" {
					slowest = max(slowest, e.Took)
				}
			}
		}
		t.Rows = append(t.Rows, report.Row{Group: group, Name: name, Cells: []report.Cell{cell, report.Number(float64(asked), ""), report.Number(float64(r.Answered(during)), ""), failures(r, during), report.Number(milliseconds(slowest), "")}})
		plot.Bars = append(plot.Bars, report.Bar{Group: group, Name: name, Value: seconds, Q1: seconds, Q3: seconds, Ours: isOurs(name)})
	}
}

var errNever = errors.New("never")

// recovered is how long after a moment the first success came.
func recovered(r *load.Result, after time.Duration) (time.Duration, error) {
	first, found := time.Duration(0), false
	for _, e := range r.Events {
		if end := e.End(); e.Kind == "" && end >= after && (!found || end < first) {
			first, found = end, true
		}
	}
	if !found {
		return 0, errNever
	}
	return first - after, nil
}
