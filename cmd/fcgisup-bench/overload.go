package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// overload is table 7: more requests than can be served, for a while. Requests sleep, so several peers can have it at
// the same time; with too many of them the clients would be what is slow.
type overload struct {
	Peers    []string      `yaml:"peers"`
	Program  string        `yaml:"program"`
	PHP      []string      `yaml:"php"` // the same with the PHP program
	Workers  int           `yaml:"workers"`
	Service  time.Duration `yaml:"service"` // of each request
	Factor   float64       `yaml:"factor"`  // of the capacity
	For      time.Duration `yaml:"for"`
	Timeout  time.Duration `yaml:"timeout"` // of the clients
	Backlogs []int         `yaml:"backlogs"`
	Limit    time.Duration `yaml:"limit"` // on the wait for recovery
	// AtOnce is how many peers have it at the same time.
	AtOnce int `yaml:"at_once"`
}

func (m *overload) measure(ctx context.Context, b *bench, t *report.Table) error {
	capacity := float64(m.Workers) / m.Service.Seconds()
	t.Columns = []string{"requests", "answered/s", "in time/s", "5xx, %", "other failures, %", "p50, ms", "p99, ms", "as fast as before after, s"}
	t.Notes = append(t.Notes, fmt.Sprintf("Capacity: %.0f requests/s. Both rates count the answers until the overload ends, the other columns all of them. “In time” is within %v. Recovery is counted from the last request of the overload to the first of three in a row that took less than five times %v.", capacity, late, m.Service))
	turns := make(chan struct{}, max(m.AtOnce, 1))
	plot := report.Plot{Name: "overload", Title: fmt.Sprintf("Answers in time per second, of %.0f possible", capacity), X: report.Axis{Label: "requests/s", Mark: capacity}}
	for _, backlog := range m.Backlogs {
		b.say("overload: backlog %d", backlog)
		spec := peers.Spec{Workers: m.Workers, Backlog: backlog}
		err := b.together(ctx, t, &plot, parts(m.Program, m.Peers, m.PHP), spec, fmt.Sprintf(", backlog %d", backlog), func(c *crew) map[string]barRow {
			return c.each(func(name string) (barRow, string) {
				turns <- struct{}{}
				defer func() { <-turns }()
				return m.one(ctx, b, c, name, capacity), ""
			})
		})
		if err != nil {
			return err
		}
	}
	t.Plots = append(t.Plots, plot)
	return nil
}

func (m *overload) one(ctx context.Context, b *bench, c *crew, name string, capacity float64) barRow {
	path := fmt.Sprintf("/sleep?ms=%d", m.Service.Milliseconds())
	results := make(chan *load.Result, 1)
	go func() {
		results <- c.openLoop(ctx, name, load.Plan{Rate: m.Factor * capacity, Duration: m.For, Timeout: m.Timeout, Poisson: true, Seed: b.seed, Shares: []load.Share{{Path: path, Weight: 1}}})
	}()
	pause(ctx, m.For)
	back := m.recovery(ctx, c, name, path)
	r := <-results
	answered, goodput := rates(r, m.For)
	sent := float64(max(len(r.Events), 1))
	unavailable := float64(r.Failures()[load.ServerErr])
	return barRow{report.Row{Name: name, Cells: []report.Cell{
		report.Number(float64(len(r.Events)), ""), report.Number(answered, ""), report.Number(goodput, ""),
		report.Number(100*unavailable/sent, ""), report.Number(100*(float64(r.Failed())-unavailable)/sent, ""),
		quantileOf(r, 0.5), quantileOf(r, 0.99), back,
	}}, goodput}
}

// rates are the answers per second until the overload's end, and those of them in time. What the queues still held then
// is answered after it, at a rate that was not asked for.
func rates(r *load.Result, until time.Duration) (answered, inTime float64) {
	byThen := func(e load.Event) bool { return e.End() <= until }
	soon := func(e load.Event) bool { return e.Took <= late }
	return float64(r.Answered(byThen)) / until.Seconds(), float64(r.Answered(byThen, soon)) / until.Seconds()
}

// recovery asks again and again, a little, until three answers in a row are fast.
func (m *overload) recovery(ctx context.Context, c *crew, name, path string) report.Cell {
	client := c.front.Client(c.services[name])
	defer client.Close()
	begin, good := time.Now(), time.Time{}
	for streak := 0; time.Since(begin) < m.Limit && ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		sent := time.Now()
		limited, cancel := context.WithTimeout(ctx, m.Timeout)
		err := client.Do(limited, path)
		cancel()
		if err != nil || time.Since(sent) > 5*m.Service {
			streak = 0
			continue
		}
		if streak++; streak == 1 {
			good = sent
		}
		if streak == 3 {
			return report.Number(good.Sub(begin).Seconds(), "")
		}
	}
	if ctx.Err() != nil {
		return report.Because("not measured: interrupted")
	}
	return report.Word("not in %v", m.Limit)
}
