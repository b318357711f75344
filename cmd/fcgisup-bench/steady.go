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
	Direct  bool   `yaml:"direct"` // FastCGI to the sockets themselves: latencies only, since wrk speaks HTTP
}

var latencyQuantiles = []float64{0.5, 0.9, 0.99, 0.999}

func (m *steady) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"requests/s", "fcgisup ÷ it", "lowest and highest", "CPU, µs/request", "p50, ms", "p90, ms", "p99, ms", "p99.9, ms"}
	for _, cell := range m.Cells {
		var bars []report.Bar
		for _, workers := range cell.Workers {
			more, err := m.cell(ctx, b, t, cell, workers)
			if err != nil {
				return err
			}
			bars = append(bars, more...)
		}
		if len(bars) == 0 {
			continue
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
	rates   []float64
	costs   []float64 // µs of processor time per request, of the manager and its workers
	answers load.Result
	problem string
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
	if cell.Direct {
		group += ", FastCGI without nginx"
	}
	b.say("steady: %s", group)
	err = b.with(ctx, m.Peers, peers.Spec{Program: program, Workers: workers, Backlog: 4096}, func(c *crew) error {
		samples := map[string]*steadySample{}
		for _, name := range c.able() {
			samples[name] = &steadySample{}
		}
		client := c.front.Client
		if cell.Direct {
			client = (*peers.Service).Client
			unbalanced(c, samples)
		} else {
			m.throughput(ctx, c, samples, cell.Path)
		}
		rate := m.rate(samples)
		m.latency(ctx, b, c, samples, client, cell.Path, rate)
		group = fmt.Sprintf("%s; latencies at %.0f requests/s", group, rate)
		for _, name := range c.names {
			s := samples[name]
			if s != nil && s.problem != "" && len(s.rates)+len(s.answers.Events) == 0 {
				c.reasons[name], s = s.problem, nil
			}
			if s == nil {
				t.Rows = append(t.Rows, c.because(group, name, len(t.Columns)))
				continue
			}
			row, ratio := s.row(group, name, samples[ours])
			t.Rows = append(t.Rows, row)
			if ratio.N > 0 && name != ours {
				bars = append(bars, report.Bar{Group: fmt.Sprintf("%d workers", workers), Name: name, Value: ratio.Median, Q1: ratio.Q1, Q3: ratio.Q3})
			}
		}
		return ctx.Err()
	})
	return bars, err
}

// throughput begins with a slice each that is not counted: some peers start processes only under load.
func (m *steady) throughput(ctx context.Context, c *crew, samples map[string]*steadySample, path string) {
	wrk := load.Wrk{Connections: m.Connections, Duration: m.Slice}
	for round := range m.Rounds + 1 {
		m.turns(ctx, c, samples, round, func(name string, s *steadySample) {
			service := c.services[name]
			before, known := service.CPU()
			got, err := wrk.Run(ctx, c.front.URL(service, path))
			after, still := service.CPU()
			switch {
			case err != nil:
				s.problem = firstLine(err)
			case round > 0:
				s.rates = append(s.rates, got.Rate)
				if known && still {
					s.costs = append(s.costs, float64((after-before).Microseconds())/float64(got.Requests))
				}
			}
		})
	}
}

// turns has each that has no problem do something once.
func (m *steady) turns(ctx context.Context, c *crew, samples map[string]*steadySample, round int, do func(name string, s *steadySample)) {
	names := c.able()
	for _, turn := range stats.Turns(len(names), round) {
		if s := samples[names[turn]]; ctx.Err() == nil && s.problem == "" {
			do(names[turn], s)
		}
	}
}

// rate is one that the slowest serves with ease.
func (m *steady) rate(samples map[string]*steadySample) float64 {
	rate := m.MaxRate
	for _, s := range samples {
		if len(s.rates) > 0 {
			rate = min(rate, m.Share*stats.Summarize(s.rates).Median)
		}
	}
	return float64(int(max(rate, 1)))
}

// unbalanced leaves out those that need nginx: they have no socket of their own, or several.
func unbalanced(c *crew, samples map[string]*steadySample) {
	for name, s := range samples {
		switch service := c.services[name]; {
		case service.Web != "":
			s.problem = "it is reached as a web server only"
		case len(service.Sockets) > 1:
			s.problem = "a socket per worker: nothing balances them but nginx"
		}
	}
}

func (m *steady) latency(ctx context.Context, b *bench, c *crew, samples map[string]*steadySample, client func(*peers.Service) load.Client, path string, rate float64) {
	plan := load.Plan{Rate: rate, Duration: m.Slice, Shares: []load.Share{{Path: path, Weight: 1}}, Poisson: true}
	ask := func(name string) *load.Result {
		asked := client(c.services[name])
		defer asked.Close()
		return load.Run(ctx, asked, plan)
	}
	if names := c.able(); len(names) > 0 {
		ask(names[0]) // not counted: the first slice after wrk is slower, whosever it is
	}
	for round := range m.Rounds {
		plan.Seed = b.seed + uint64(round)
		m.turns(ctx, c, samples, round, func(name string, s *steadySample) {
			result := ask(name)
			if n := result.Failed(); n > 0 && ctx.Err() == nil {
				s.problem = fmt.Sprintf("%d of %d requests failed", n, len(result.Events))
			}
			s.answers.Events = append(s.answers.Events, result.Events...)
		})
	}
}

// row compares with ours, nil if it did not run.
func (s *steadySample) row(group, name string, base *steadySample) (report.Row, stats.Summary) {
	var ratios []float64
	if base != nil {
		ratios = stats.Ratios(base.rates, s.rates)
	}
	rate, ratio, extremes, cost := report.Sampled(s.rates, ""), report.Sampled(ratios, ""), report.Word(""), s.cost()
	if len(s.rates) == 0 && s.problem == "" {
		rate, ratio, cost = report.Because("wrk speaks no FastCGI"), report.Word(""), report.Word("")
	}
	if name == ours && len(s.rates) > 0 {
		ratio = report.Word("1")
	} else if len(ratios) > 1 {
		extremes = report.Word("%.2f–%.2f", slices.Min(ratios), slices.Max(ratios))
	}
	cells := []report.Cell{rate, ratio, extremes, cost}
	for _, q := range latencyQuantiles {
		cells = append(cells, s.quantile(q))
	}
	if s.problem != "" {
		cells[0].Reason = s.problem
		if len(s.rates) > 0 {
			cells[0].Text = fmt.Sprintf("%.0f", stats.Summarize(s.rates).Median)
		}
	}
	return report.Row{Group: group, Name: name, Cells: cells}, stats.Summarize(ratios)
}

func (s *steadySample) cost() report.Cell {
	if len(s.costs) == 0 {
		return report.Because("no control group tells it")
	}
	return report.Sampled(s.costs, "")
}

// beyond is how many answers must be slower than a quantile for it to say more than what the slowest one was.
const beyond = 5

// quantile is of all rounds together.
func (s *steadySample) quantile(q float64) report.Cell {
	if float64(s.answers.Answered())*(1-q) < beyond {
		return report.Because(fmt.Sprintf("fewer than %d answers were slower", beyond))
	}
	return report.Number(milliseconds(s.answers.Quantile(q)), "")
}
