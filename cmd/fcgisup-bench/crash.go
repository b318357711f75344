package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// crash is the first part of table 4: kill -9 again and again, under load.
type crash struct {
	Peers   []string      `yaml:"peers"`
	Program string        `yaml:"program"`
	Workers int           `yaml:"workers"`
	Path    string        `yaml:"path"`
	Rate    float64       `yaml:"rate"`
	Every   time.Duration `yaml:"every"`
	For     time.Duration `yaml:"for"`
}

// target is who is killed.
type target struct {
	name string
	pick func(p peers.Workers, random *rand.Rand) []int
}

var crashTargets = []target{
	{"one worker", func(p peers.Workers, random *rand.Rand) []int {
		if len(p.Workers) == 0 {
			return nil
		}
		return []int{p.Workers[random.IntN(len(p.Workers))]}
	}},
	{"all workers", func(p peers.Workers, _ *rand.Rand) []int { return p.Workers }},
	{"the supervisor", func(p peers.Workers, _ *rand.Rand) []int { return p.Supervisors }},
}

func (m *crash) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"requests", "failed", "failed, %", "failed per kill", "longest gap, ms", "kills", "replaced after, ms", "a second later"}
	plot := report.Plot{Name: "crash", Title: "Failed requests while processes are killed", X: report.Axis{Label: "% of requests"}}
	program, err := b.program(m.Program)
	if err != nil {
		return err
	}
	for _, target := range crashTargets {
		group := fmt.Sprintf("kill -9 of %s every %v for %v", target.name, m.Every, m.For)
		spec := peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096}
		err := b.with(ctx, m.Peers, spec, func(c *crew) error {
			for _, name := range c.names {
				if c.services[name] == nil {
					t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
					continue
				}
				b.say("crash: %s of %s", target.name, name)
				row, share := m.one(ctx, b, c, target, name)
				row.Group = group
				t.Rows = append(t.Rows, row)
				if share >= 0 {
					plot.Bars = append(plot.Bars, report.Bar{Group: target.name, Name: name, Value: share, Q1: share, Q3: share, Ours: isOurs(name)})
				}
				// What has died does not disturb the next.
				if err := c.services[name].Stop(ctx); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	t.Plots = append(t.Plots, plot)
	return nil
}

// one kills under load. The share is of failed requests, in %; -1 if there was nobody to kill.
func (m *crash) one(ctx context.Context, b *bench, c *crew, target target, name string) (report.Row, float64) {
	s := c.services[name]
	if len(target.pick(s.Processes(), b.random(name))) == 0 {
		c.reasons[name] = "there is none: nothing of it stays beside the workers"
		if name == "systemd units" {
			c.reasons[name] = "it is PID 1, which cannot be killed"
		}
		return c.because("", name, 8), -1
	}
	results := make(chan *load.Result, 1)
	go func() {
		results <- c.openLoop(ctx, name, load.Plan{Rate: m.Rate, Duration: m.For, Timeout: 5 * time.Second, Poisson: true, Seed: b.seed, Shares: []load.Share{{Path: m.Path, Weight: 1}}})
	}()
	kills, replaced := m.kill(ctx, b, s, target)
	r := <-results
	after := m.aftermath(ctx, b, c, name)
	share := 100 * float64(r.Failed()) / float64(max(len(r.Events), 1))
	replacement := report.Sampled(replaced, "")
	if len(replaced) == 0 {
		replacement = report.Word("never")
	}
	return report.Row{Name: name, Cells: []report.Cell{
		report.Number(float64(len(r.Events)), ""), failures(r), report.Number(share, ""), perKill(r, kills), report.Number(milliseconds(r.LongestGap()), ""),
		report.Number(float64(kills), ""), replacement, after,
	}}, share
}

// perKill is what a kill costs: who comes back soonest is killed most often.
func perKill(r *load.Result, kills int) report.Cell {
	if kills == 0 {
		return report.Because("nobody was there when a kill was due")
	}
	return report.Number(float64(r.Failed())/float64(kills), "")
}

// kill kills until the time is up, and returns how often, and after how many milliseconds the place was filled each
// time: as many workers as there should be, or another supervisor, none of them a victim. When a kill is due and there
// is nobody to kill, it goes on waiting.
func (m *crash) kill(ctx context.Context, b *bench, s *peers.Service, target target) (kills int, replaced []float64) {
	random := b.random("crash" + s.Peer)
	begin := time.Now()
	for due := m.Every; due < m.For && ctx.Err() == nil; due = nextTick(due, time.Since(begin), m.Every) {
		pause(ctx, time.Until(begin.Add(due)))
		victims := target.pick(s.Processes(), random)
		killed := time.Now()
		for _, pid := range victims {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone by itself
		}
		if len(victims) > 0 {
			kills++
		}
		for len(victims) > 0 && time.Since(begin) < m.For && ctx.Err() == nil {
			if m.filled(s, target, victims) {
				replaced = append(replaced, milliseconds(time.Since(killed)))
				break
			}
			if time.Since(begin) >= due+m.Every && len(target.pick(s.Processes(), random)) > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return kills, replaced
}

// nextTick is the tick after one; those that were missed are left out.
func nextTick(due, now, every time.Duration) time.Duration {
	return max(due+every, now.Truncate(every))
}

func (m *crash) filled(s *peers.Service, target target, victims []int) bool {
	now := s.Processes()
	present, want := now.Workers, m.Workers
	if target.name == "the supervisor" {
		present, want = now.Supervisors, len(victims)
	}
	isVictim := func(pid int) bool { return slices.Contains(victims, pid) }
	return len(present) >= want && !slices.ContainsFunc(present, isVictim)
}

// aftermath says how it is when nobody was killed for a second: some of ten requests are answered.
func (m *crash) aftermath(ctx context.Context, b *bench, c *crew, name string) report.Cell {
	pause(ctx, time.Second)
	r := c.openLoop(ctx, name, load.Plan{Rate: 20, Duration: 500 * time.Millisecond, Timeout: 2 * time.Second, Seed: b.seed, Shares: []load.Share{{Path: m.Path, Weight: 1}}})
	switch {
	case ctx.Err() != nil:
		return report.Because("not measured: interrupted")
	case r.Failed() == 0:
		return report.Word("serves")
	case r.Answered() == 0:
		return report.Word("**down**")
	}
	return report.Word("serves %d of %d", r.Answered(), len(r.Events))
}
