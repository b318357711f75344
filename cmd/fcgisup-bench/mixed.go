package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/stats"
)

// mixed is table 2: short and long requests, and four ways to hand them to workers.
type mixed struct {
	Program  string        `yaml:"program"`
	Workers  int           `yaml:"workers"`
	Base     string        `yaml:"base"` // the variant that others are compared with
	Variants []variant     `yaml:"variants"`
	Rate     float64       `yaml:"rate"`
	Fast     string        `yaml:"fast"`
	Slow     string        `yaml:"slow"`
	SlowPart float64       `yaml:"slow_part"`
	Rounds   int           `yaml:"rounds"`
	Slice    time.Duration `yaml:"slice"`
}

type variant struct {
	Name string `yaml:"name"`
	Peer string `yaml:"peer"`
}

const fastShare, slowShare = 0, 1

func (m *mixed) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"fast p50, ms", "fast p90, ms", "fast p99, ms", "p90: times faster", "slow p50, ms", "slow p99, ms", "requests", "failed"}
	program, err := b.program(m.Program)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range m.Variants {
		names = append(names, v.Peer)
	}
	return b.with(ctx, names, peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096}, func(c *crew) error {
		results := map[string][]*load.Result{}
		able := c.able()
		for round := range m.Rounds {
			b.say("mixed: round %d of %d", round+1, m.Rounds)
			for _, turn := range stats.Turns(len(able), round) {
				if ctx.Err() == nil {
					results[able[turn]] = append(results[able[turn]], c.openLoop(ctx, able[turn], m.plan(b, round)))
				}
			}
		}
		m.rows(c, t, results)
		return ctx.Err()
	})
}

func (m *mixed) plan(b *bench, round int) load.Plan {
	return load.Plan{Rate: m.Rate, Duration: m.Slice, Poisson: true, Seed: b.seed + uint64(round), Shares: []load.Share{
		{Name: "fast", Path: m.Fast, Weight: 1 - m.SlowPart}, {Name: "slow", Path: m.Slow, Weight: m.SlowPart},
	}}
}

func (m *mixed) rows(c *crew, t *report.Table, results map[string][]*load.Result) {
	plot := report.Plot{Name: "mixed", Title: "Latency of fast requests in a mixed load", X: report.Axis{Label: "one request in … is slower", Log: true}, Y: report.Axis{Label: "ms", Log: true}}
	each := func(name string, q float64, share int) (values []float64) {
		for _, r := range results[name] {
			values = append(values, milliseconds(r.Quantile(q, load.Of(share))))
		}
		return values
	}
	base := ""
	for _, v := range m.Variants {
		if v.Name == m.Base {
			base = v.Peer
		}
	}
	for _, v := range m.Variants {
		if c.services[v.Peer] == nil {
			row := c.because("", v.Peer, len(t.Columns))
			row.Name = v.Name
			t.Rows = append(t.Rows, row)
			continue
		}
		faster := report.Word("1")
		if v.Name != m.Base {
			faster = report.Sampled(stats.Ratios(each(base, 0.9, fastShare), each(v.Peer, 0.9, fastShare)), "")
		}
		sent, failed := 0, 0
		for _, r := range results[v.Peer] {
			sent, failed = sent+len(r.Events), failed+r.Failed()
		}
		t.Rows = append(t.Rows, report.Row{Name: v.Name, Cells: []report.Cell{
			report.Sampled(each(v.Peer, 0.5, fastShare), ""), report.Sampled(each(v.Peer, 0.9, fastShare), ""), report.Sampled(each(v.Peer, 0.99, fastShare), ""), faster,
			report.Sampled(each(v.Peer, 0.5, slowShare), ""), report.Sampled(each(v.Peer, 0.99, slowShare), ""),
			report.Number(float64(sent), ""), report.Number(float64(failed), ""),
		}})
		plot.Lines = append(plot.Lines, quantileLine(v.Name, v.Name != m.Base, results[v.Peer]))
	}
	t.Plots = append(t.Plots, plot)
	t.Notes = append(t.Notes, fmt.Sprintf("“Times faster” is round by round against %s.", m.Base))
}

// quantileLine is the latencies of all rounds over 1/(1-q).
func quantileLine(name string, isOurs bool, results []*load.Result) report.Line {
	line := report.Line{Name: name, Ours: isOurs}
	for _, oneIn := range []float64{1.25, 2, 3, 5, 8, 10, 15, 20, 30, 50, 80, 100, 200} {
		var values []float64
		for _, r := range results {
			values = append(values, milliseconds(r.Quantile(1-1/oneIn, load.Of(fastShare))))
		}
		if s := stats.Summarize(values); s.N > 0 && s.Median > 0 {
			line.Points = append(line.Points, [2]float64{oneIn, s.Median})
		}
	}
	return line
}
