package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/stats"
)

// steady is table 1: requests per second by wrk and what each cost, then latency at a rate that all can serve.
type steady struct {
	Peers       []string      `yaml:"peers"`
	Rounds      int           `yaml:"rounds"`
	Slice       time.Duration `yaml:"slice"` // of each peer in each round; whole seconds
	Connections int           `yaml:"connections"`
	Share       float64       `yaml:"share"`    // of the slowest peer's rate, for the latencies
	MaxRate     float64       `yaml:"max_rate"` // of the open loop
	Cells       []steadyCell  `yaml:"cells"`
}

type steadyCell struct {
	Program string `yaml:"program"`
	Path    string `yaml:"path"`
	Workers []int  `yaml:"workers"`
}

var latencyQuantiles = []float64{0.5, 0.9, 0.99, 0.999}

func (m *steady) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"requests/s", "fcgisup ÷ it", "95 % interval", "CPU, µs/request", "p50, ms", "p90, ms", "p99, ms", "p99.9, ms"}
	for _, cell := range m.Cells {
		var bars []report.Bar
		for _, workers := range cell.Workers {
			more, err := m.cell(ctx, b, t, cell, workers)
			if err != nil {
				return err
			}
			bars = append(bars, more...)
		}
		name := strings.ToLower(fmt.Sprintf("steady-%s-%s", cell.Program, pathWord(cell.Path)))
		t.Plots = append(t.Plots, report.Plot{Name: name, Title: fmt.Sprintf("Requests per second: fcgisup ÷ peer, %s, %s", cell.Program, pathWord(cell.Path)), Bars: bars, X: report.Axis{Label: "above 1: fcgisup is faster; whiskers are quartiles of the rounds", Mark: 1}})
	}
	return nil
}

func pathWord(path string) string {
	if _, ms, ok := strings.Cut(path, "?ms="); ok {
		return ms + "ms"
	}
	return "empty"
}

// steadySample is what one peer did in all rounds.
type steadySample struct {
	rates     []float64
	costs     []float64 // µs of processor time per request, of the manager and its workers
	latencies [4][]float64
	problem   string
}

func (m *steady) cell(ctx context.Context, b *bench, t *report.Table, cell steadyCell, workers int) (bars []report.Bar, err error) {
	program, err := b.program(cell.Program)
	if err != nil {
		return nil, err
	}
	group := fmt.Sprintf("%s, %s, %d workers", cell.Program, pathWord(cell.Path), workers)
	if workers == 1 {
		group = strings.TrimSuffix(group, "s")
	}
	b.say("steady: %s", group)
	err = b.with(ctx, m.Peers, peers.Spec{Program: program, Workers: workers, Backlog: 4096}, func(c *crew) error {
		samples := map[string]*steadySample{}
		for _, name := range c.able() {
			samples[name] = &steadySample{}
		}
		m.throughput(ctx, c, samples, cell.Path)
		rate := m.rate(samples)
		m.latency(ctx, b, c, samples, cell.Path, rate)
		group = fmt.Sprintf("%s; latencies at %.0f requests/s", group, rate)
		for _, name := range c.names {
			s := samples[name]
			if s == nil {
				t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
				continue
			}
			row, ratio := s.row(b, group, name, samples[ours])
			t.Rows = append(t.Rows, row)
			if ratio.N > 0 && name != ours {
				bars = append(bars, report.Bar{Group: fmt.Sprintf("%d workers", workers), Name: name, Value: ratio.Median, Q1: ratio.Q1, Q3: ratio.Q3})
			}
		}
		return ctx.Err()
	})
	return bars, err
}

func (m *steady) throughput(ctx context.Context, c *crew, samples map[string]*steadySample, path string) {
	names := c.able()
	for round := range m.Rounds {
		for _, turn := range stats.Turns(len(names), round) {
			s := samples[names[turn]]
			if ctx.Err() != nil || s.problem != "" {
				continue
			}
			service := c.services[names[turn]]
			before, _ := service.CPU()
			got, err := load.Wrk{Connections: m.Connections, Duration: m.Slice}.Run(ctx, c.front.URL(service, path))
			if err != nil {
				s.problem = firstLine(err)
				continue
			}
			s.rates = append(s.rates, got.Rate)
			if after, ok := service.CPU(); ok {
				s.costs = append(s.costs, float64((after-before).Microseconds())/float64(got.Requests))
			}
		}
	}
}

// rate is one that the slowest serves with ease.
func (m *steady) rate(samples map[string]*steadySample) float64 {
	rate := m.MaxRate
	for _, s := range samples {
		if len(s.rates) > 0 {
			rate = min(rate, m.Share*slices.Min(s.rates))
		}
	}
	return float64(int(max(rate, 1)))
}

func (m *steady) latency(ctx context.Context, b *bench, c *crew, samples map[string]*steadySample, path string, rate float64) {
	names := c.able()
	plan := load.Plan{Rate: rate, Duration: m.Slice, Shares: []load.Share{{Path: path, Weight: 1}}, Poisson: true}
	if len(names) > 0 {
		c.openLoop(ctx, names[0], plan) // not counted: the first slice after wrk is slower, whosever it is
	}
	for round := range m.Rounds {
		for _, turn := range stats.Turns(len(names), round) {
			s := samples[names[turn]]
			if ctx.Err() != nil || s.problem != "" {
				continue
			}
			plan.Seed = b.seed + uint64(round)
			result := c.openLoop(ctx, names[turn], plan)
			if n := result.Failed(); n > 0 && ctx.Err() == nil {
				s.problem = fmt.Sprintf("%d of %d requests failed", n, len(result.Events))
			}
			for i, q := range latencyQuantiles {
				s.latencies[i] = append(s.latencies[i], milliseconds(result.Quantile(q)))
			}
		}
	}
}

// row compares with ours, nil if it did not run.
func (s *steadySample) row(b *bench, group, name string, base *steadySample) (report.Row, stats.Summary) {
	var ratios []float64
	if base != nil {
		ratios = stats.Ratios(base.rates, s.rates)
	}
	ratio, interval := report.Sampled(ratios, ""), report.Word("")
	if name == ours {
		ratio = report.Word("1")
	} else if low, high := stats.Interval(ratios, 0.95, 2000, b.seed); low == low { // not NaN
		interval = report.Word("%.2f–%.2f", low, high)
	}
	cells := []report.Cell{report.Sampled(s.rates, ""), ratio, interval, report.Word("")}
	if len(s.costs) > 0 {
		cells[3] = report.Sampled(s.costs, "")
	}
	for i := range latencyQuantiles {
		cells = append(cells, report.Sampled(s.latencies[i], ""))
	}
	if s.problem != "" {
		cells[0].Reason = s.problem
		if len(s.rates) > 0 {
			cells[0].Text = fmt.Sprintf("%.0f", stats.Summarize(s.rates).Median)
		}
	}
	return report.Row{Group: group, Name: name, Cells: cells}, stats.Summarize(ratios)
}
