package main

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	PHP     []string      `yaml:"php"` // the same with the PHP program
	Workers int           `yaml:"workers"`
	Path    string        `yaml:"path"`
	Rate    float64       `yaml:"rate"`
	Every   time.Duration `yaml:"every"`
	For     time.Duration `yaml:"for"`
}

// target is who is killed.
type target struct {
	name    string
	of      func(p peers.Workers) []int
	one     bool // at random; else all
	orphans bool // children of a target look like one when it is dead
}

func workersOf(p peers.Workers) []int     { return p.Workers }
func supervisorsOf(p peers.Workers) []int { return p.Supervisors }

var crashTargets = []target{
	{name: "one worker", of: workersOf, one: true},
	{name: "all workers", of: workersOf},
	{name: "the supervisor", of: supervisorsOf, orphans: true},
}

// pick chooses the victims.
func (t target) pick(present []int, random *rand.Rand) []int {
	if t.one && len(present) > 0 {
		return []int{present[random.IntN(len(present))]}
	}
	return present
}

func (m *crash) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"requests", "failed", "failed, %", "failed per kill", "longest gap, ms", "kills", "replaced after, ms", "a second later"}
	plot := report.Plot{Name: "crash", Title: "Failed requests while processes are killed", X: report.Axis{Label: "% of requests"}}
	for _, part := range parts(m.Program, m.Peers, m.PHP) {
		for _, target := range crashTargets {
			if err := m.part(ctx, b, t, &plot, part, target); err != nil {
				return err
			}
		}
	}
	t.Plots = append(t.Plots, plot)
	return nil
}

// part kills one target of all peers that run a program, of one after the other.
func (m *crash) part(ctx context.Context, b *bench, t *report.Table, plot *report.Plot, part part, target target) error {
	program, err := b.program(part.program)
	if err != nil {
		return err
	}
	group := fmt.Sprintf("%s: kill -9 of %s every %v for %v", part.program, target.name, m.Every, m.For)
	return b.with(ctx, part.peers, peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096}, func(c *crew) error {
		for _, name := range c.names {
			if c.services[name] == nil {
				t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
				continue
			}
			b.say("crash: %s: %s of %s", part.program, target.name, name)
			row, share := m.one(ctx, b, c, target, name)
			row.Group = group
			t.Rows = append(t.Rows, row)
			if share >= 0 {
				plot.Bars = append(plot.Bars, report.Bar{Group: part.program + ": " + target.name, Name: name, Value: share, Q1: share, Q3: share, Ours: isOurs(name)})
			}
			// What has died does not disturb the next.
			if err := c.services[name].Stop(ctx); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// one kills under load. The share is of failed requests, in %; -1 if there was no worker to kill.
func (m *crash) one(ctx context.Context, b *bench, c *crew, target target, name string) (report.Row, float64) {
	s := c.services[name]
	if len(target.of(s.Processes())) == 0 {
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
	watching, stop := context.WithCancel(ctx)
	defer stop()
	killed := make(chan *vacancies, 1)
	go func() { killed <- m.kill(watching, s, target, b.random("crash"+s.Peer)) }()
	r := <-results
	after := m.aftermath(ctx, b, c, name)
	stop()
	v := <-killed
	kills := len(v.kills)
	share := 100 * float64(r.Failed()) / float64(max(len(r.Events), 1))
	return report.Row{Name: name, Cells: []report.Cell{
		report.Number(float64(len(r.Events)), ""), failures(r), report.Number(share, ""), perKill(r, kills), report.Number(milliseconds(r.LongestGap()), ""),
		report.Number(float64(kills), ""), replacement(v), after,
	}}, share
}

const noneThere = "no worker was there when a kill was due"

// perKill is what a kill costs: who comes back soonest is killed most often.
func perKill(r *load.Result, kills int) report.Cell {
	if kills == 0 {
		return report.Because(noneThere)
	}
	return report.Number(float64(r.Failed())/float64(kills), "")
}

// replacement tells of kills that were made good, and of those that were not until the end of the aftermath.
func replacement(v *vacancies) report.Cell {
	took, never := v.replaced()
	switch {
	case len(v.kills) == 0:
		return report.Because(noneThere)
	case len(took) == 0:
		return report.Word("never")
	}
	cell := report.Sampled(took, "")
	if never > 0 {
		cell.Text = fmt.Sprintf("and %d never", never)
	}
	return cell
}

// kill kills until the time is up, and then goes on looking until all places are filled or ctx ends. When a kill is due
// and there is no worker to kill, it waits for one.
func (m *crash) kill(ctx context.Context, s *peers.Service, target target, random *rand.Rand) *vacancies {
	v := newVacancies(target)
	begin := time.Now()
	look := func() []int { return v.look(time.Since(begin), s.Processes()) }
	look()
	for due := m.Every; due < m.For && ctx.Err() == nil; due = nextTick(time.Since(begin), m.Every) {
		for len(v.empty) > 0 && time.Since(begin) < due && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
			look()
		}
		pause(ctx, time.Until(begin.Add(due)))
		present := look()
		for len(present) == 0 && time.Since(begin) < m.For && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
			present = look()
		}
		var victims []int
		at := time.Since(begin)
		for _, pid := range target.pick(present, random) {
			if syscall.Kill(pid, syscall.SIGKILL) == nil { // else it has gone by itself
				victims = append(victims, pid)
			}
		}
		if len(victims) > 0 {
			v.killed(at, present, victims)
		}
	}
	for len(v.empty) > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
		look()
	}
	return v
}

// nextTick is the first tick that is not right after a kill: one that was late would be followed by another.
func nextTick(killed, every time.Duration) time.Duration {
	return (killed + every/2).Truncate(every) + every
}

// aftermath says how it is when no worker was killed for a second: some of ten requests are answered.
func (m *crash) aftermath(ctx context.Context, b *bench, c *crew, name string) report.Cell {
	pause(ctx, time.Second)
	r := c.openLoop(ctx, name, load.Plan{Rate: 20, Duration: 500 * time.Millisecond, Timeout: 2 * time.Second, Seed: b.seed, Shares: []load.Share{{Path: m.Path, Weight: 1}}})
	switch {
	case ctx.Err() != nil:
		return report.Because("not measured: interrupted")
	case r.Failed() == 0:
		return report.Word("serves")
	case r.Answered() == 0:
		return m.recovery(ctx, c, name)
	}
	return report.Word("serves %d of %d", r.Answered(), len(r.Events))
}

// recovery waits for a service that does not answer: a long queue may only have to be worked off.
func (m *crash) recovery(ctx context.Context, c *crew, name string) report.Cell {
	client := c.front.Client(c.services[name])
	defer client.Close()
	for begin := time.Now(); time.Since(begin) < 10*time.Second && ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := client.Do(once, m.Path)
		cancel()
		if err == nil {
			return report.Word("serves %.1f s after that", time.Since(begin).Seconds())
		}
	}
	return report.Word("**down**")
}
