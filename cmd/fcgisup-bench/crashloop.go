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

// crashLoop is the second part of table 4: a program that ends at once, for a while, and is then mended. All peers have
// it at the same time: their load is light, and waiting is most of it.
type crashLoop struct {
	Peers   []string      `yaml:"peers"`
	Workers int           `yaml:"workers"`
	Broken  time.Duration `yaml:"broken"`
	Limit   time.Duration `yaml:"limit"` // on the wait for recovery
	Rate    float64       `yaml:"rate"`  // of requests to each peer, all the time
}

const crashLoopPath = "/"

func (m *crashLoop) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"serves again, s after the mending", "asked while broken", "answered in the end", "failed", "slowest failure, ms"}
	program, err := b.program("C")
	if err != nil {
		return err
	}
	flag := filepath.Join(b.host.Dir, "broken")
	defer os.Remove(flag)
	frail := filepath.Join(b.host.Dir, "frail")
	if err := os.WriteFile(frail, fmt.Appendf(nil, "#!/bin/sh\n[ -e %s ] && exit 1\nexec %s\n", flag, program.Command[0]), 0o755); err != nil {
		return err
	}
	program.Command = []string{frail}
	return b.with(ctx, m.Peers, peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096}, func(c *crew) error {
		b.say("crash loop: %v", m.Broken)
		if err := os.WriteFile(flag, nil, 0o644); err != nil {
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
		if err := os.Remove(flag); err != nil {
			return err
		}
		mended := time.Now()
		b.say("crash loop: mended")
		m.rows(c, t, mended, results())
		return ctx.Err()
	})
}

// watch asks all until each has recovered or the limit has come.
func (m *crashLoop) watch(ctx context.Context, b *bench, c *crew) (results func() map[string]*load.Result) {
	var all sync.WaitGroup
	var mu sync.Mutex
	found := map[string]*load.Result{}
	for _, name := range c.able() {
		all.Go(func() {
			plan := load.Plan{Rate: m.Rate, Duration: m.Broken + m.Limit, Timeout: 10 * time.Second, Seed: b.seed, Shares: []load.Share{{Path: crashLoopPath, Weight: 1}}}
			limited, cancel := context.WithCancel(ctx)
			defer cancel()
			r := c.openLoopUntil(limited, name, plan, func() { cancel() }, m.Broken)
			mu.Lock()
			defer mu.Unlock()
			found[name] = r
		})
	}
	return func() map[string]*load.Result { all.Wait(); return found }
}

// openLoopUntil ends the plan with the first answer to a request that was due after a moment.
func (c *crew) openLoopUntil(ctx context.Context, name string, plan load.Plan, answered func(), after time.Duration) *load.Result {
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

func (m *crashLoop) rows(c *crew, t *report.Table, mended time.Time, results map[string]*load.Result) {
	plot := report.Plot{Name: "crashloop", Title: fmt.Sprintf("A crash loop of %v, mended: until it serves again", m.Broken), X: report.Axis{Label: fmt.Sprintf("s; %v: never", m.Limit)}}
	for _, name := range c.names {
		r := results[name]
		if r == nil {
			t.Rows = append(t.Rows, c.because("", name, len(t.Columns)))
			continue
		}
		cell, seconds := report.Word("**never** (in %v)", m.Limit), m.Limit.Seconds()
		if back, err := recovered(r, mended.Sub(r.Began)); err == nil {
			cell, seconds = report.Number(back.Seconds(), ""), back.Seconds()
		}
		during := load.Between(time.Second, mended.Sub(r.Began)) // what was under way when it broke is over
		slowest, asked := time.Duration(0), 0
		for _, e := range r.Events {
			if during(e) {
				asked++
				if e.Kind != "" {
					slowest = max(slowest, e.Took)
				}
			}
		}
		t.Rows = append(t.Rows, report.Row{Name: name, Cells: []report.Cell{cell, report.Number(float64(asked), ""), report.Number(float64(r.Answered(during)), ""), failures(r, during), report.Number(milliseconds(slowest), "")}})
		plot.Bars = append(plot.Bars, report.Bar{Name: name, Value: seconds, Q1: seconds, Q3: seconds, Ours: isOurs(name)})
	}
	t.Plots = append(t.Plots, plot)
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
