package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// footprint is the first part of table 8: what the manager costs beside its workers.
type footprint struct {
	Peers   []string      `yaml:"peers"`
	Program string        `yaml:"program"`
	PHP     []string      `yaml:"php"` // the same with the PHP program
	Sizes   []int         `yaml:"sizes"`
	PHPMost int           `yaml:"php_most"` // largest size with the PHP program
	Forked  []string      `yaml:"forked"`   // the same with Request Tracker, of the smallest size
	Settle  time.Duration `yaml:"settle"`
	Window  time.Duration `yaml:"window"` // of idleness
	Load    time.Duration `yaml:"load"`   // of wrk; whole seconds
}

func (m *footprint) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"processes", "RSS, MiB", "PSS, MiB", "idle, % of a core", "wake-ups/s", "under load, % of a core", "at requests/s", "PSS of all workers, MiB"}
	growth := map[string][][2]float64{}
	var order []string
	all := parts(m.Program, m.Peers, m.PHP)
	if len(m.Forked) > 0 && exists(requestTracker) {
		all = append(all, part{"Request Tracker", m.Forked})
	}
	for _, part := range all {
		program, err := b.program(part.program)
		if err != nil {
			return err
		}
		for _, size := range m.Sizes {
			if program.PHP && size > m.PHPMost || program.Perl && size > m.Sizes[0] {
				continue
			}
			group := fmt.Sprintf("%s, %d workers", program.Name, size)
			for _, name := range part.peers {
				b.say("footprint: %s, %s", group, name)
				row, pss, err := m.one(ctx, b, name, peers.Spec{Program: program, Workers: size, Backlog: 4096}, len(t.Columns))
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					c := &crew{reasons: map[string]string{name: firstLine(err)}}
					row = c.because(group, name, len(t.Columns))
				}
				row.Group = group
				t.Rows = append(t.Rows, row)
				if pss > 0 && part.program == m.Program {
					if growth[name] == nil {
						order = append(order, name)
					}
					growth[name] = append(growth[name], [2]float64{float64(size), pss})
				}
			}
		}
	}
	plot := report.Plot{Name: "footprint", Title: "Memory of the manager (PSS), workers not counted", X: report.Axis{Label: "workers", Log: true}, Y: report.Axis{Label: "MiB", Log: true}}
	for _, name := range order {
		plot.Lines = append(plot.Lines, report.Line{Name: name, Points: growth[name], Ours: isOurs(name)})
	}
	t.Plots = append(t.Plots, plot)
	return nil
}

const kib = 1024.0

func (m *footprint) one(ctx context.Context, b *bench, name string, spec peers.Spec, columns int) (row report.Row, pss float64, err error) {
	err = b.with(ctx, []string{name}, spec, func(c *crew) error {
		s := c.services[name]
		if s == nil {
			row = c.because("", name, columns)
			return ctx.Err()
		}
		pause(ctx, m.Settle)
		all := s.Processes()
		before := usageOf(all.Helpers)
		pause(ctx, m.Window)
		idle := usageOf(all.Helpers)
		workers := usageOf(all.Workers)
		seconds := m.Window.Seconds()
		cells := []report.Cell{
			report.Number(float64(len(all.Helpers)), ""), report.Number(idle.rss/kib, ""), report.Number(idle.pss/kib, ""),
			report.Number(100*(idle.cpu-before.cpu)/seconds, ""), report.Number((idle.switches-before.switches)/seconds, ""),
		}
		pss = idle.pss / kib
		got, err := load.Wrk{Connections: 16, Duration: m.Load}.Run(ctx, c.front.URL(s, "/"))
		busy := usageOf(all.Helpers)
		if err != nil {
			cells = append(cells, report.Because(firstLine(err)), report.Because(firstLine(err)))
		} else {
			cells = append(cells, report.Number(100*(busy.cpu-idle.cpu)/got.Elapsed.Seconds(), ""), report.Number(got.Rate, ""))
		}
		cells = append(cells, report.Number(workers.pss/kib, ""))
		row = report.Row{Name: name, Cells: cells}
		return ctx.Err()
	})
	return row, pss, err
}
