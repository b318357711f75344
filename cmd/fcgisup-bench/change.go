package main

import (
	"context"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// change is table 5: what an admin does on a busy day.
type change struct {
	Peers   []string      `yaml:"peers"`
	Program string        `yaml:"program"`
	PHP     []string      `yaml:"php"` // the same with the PHP program
	Workers int           `yaml:"workers"`
	Path    string        `yaml:"path"`
	Rate    float64       `yaml:"rate"`
	Before  time.Duration `yaml:"before"` // of quiet, to compare with
	During  time.Duration `yaml:"during"` // from the change on
}

// aftermath is how long after the command's end a request still counts as one during the change. Of all that follow, the
// few of a short change would be less than a hundredth.
const aftermath = time.Second

func (m *change) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"how", "requests", "failed", "p99 before, ms", "p99 during, ms", "slowest since, ms", "the command took, ms", "in effect after, ms"}
	plot := report.Plot{Name: "change", Title: "Failed requests during a change", X: report.Axis{Label: "requests"}}
	for _, part := range parts(m.Program, m.Peers, m.PHP) {
		program, err := b.program(part.program)
		if err != nil {
			return err
		}
		for _, op := range peers.Ops() {
			if err := m.op(ctx, b, t, &plot, part.peers, program, op); err != nil {
				return err
			}
		}
	}
	t.Plots = append(t.Plots, plot)
	return nil
}

func (m *change) op(ctx context.Context, b *bench, t *report.Table, plot *report.Plot, names []string, program peers.Program, op peers.Op) error {
	group := program.Name + ": " + string(op)
	return b.with(ctx, names, peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096}, func(c *crew) error {
		for _, name := range c.names {
			s := c.services[name]
			if s == nil {
				t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
				continue
			}
			action := s.Action(op)
			if action.Do == nil {
				c.reasons[name] = action.Reason
				t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
				continue
			}
			b.say("change: %s of %s", op, name)
			row, failed := m.one(ctx, b, c, name, op, action)
			row.Group = group
			t.Rows = append(t.Rows, row)
			plot.Bars = append(plot.Bars, report.Bar{Group: group, Name: name, Value: failed, Q1: failed, Q3: failed, Ours: isOurs(name)})
		}
		return ctx.Err()
	})
}

func (m *change) one(ctx context.Context, b *bench, c *crew, name string, op peers.Op, action peers.Action) (report.Row, float64) {
	results := make(chan *load.Result, 1)
	go func() {
		results <- c.openLoop(ctx, name, load.Plan{Rate: m.Rate, Duration: m.Before + m.During, Timeout: 5 * time.Second, Poisson: true, Seed: b.seed, Shares: []load.Share{{Path: m.Path, Weight: 1}}})
	}()
	pause(ctx, m.Before)
	o := carryOut(ctx, c.services[name], op, action)
	took := report.Number(milliseconds(o.took), "")
	if o.err != nil && ctx.Err() == nil {
		took = report.Because("the command failed: " + firstLine(o.err))
	}
	r := <-results
	begin, end := o.begin.Sub(r.Began), o.end.Sub(r.Began)
	before, during, since := load.Between(0, begin), load.Between(begin, end+aftermath), load.Between(begin, m.Before+m.During)
	return report.Row{Name: name, Cells: []report.Cell{
		report.Word("%s", action.How), report.Number(float64(len(r.Events)), ""), failures(r),
		quantileOf(r, 0.99, before), quantileOf(r, 0.99, during), quantileOf(r, 1, since), took, o.cell(),
	}}, float64(r.Failed())
}
