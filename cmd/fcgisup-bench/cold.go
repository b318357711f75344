package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/stats"
)

// cold is table 3: nothing runs, and the first requests come.
type cold struct {
	Peers     []string `yaml:"peers"`
	Programs  []string `yaml:"programs"`
	Instances int      `yaml:"instances"`
	Rounds    int      `yaml:"rounds"`
}

const requestTracker = "/usr/share/request-tracker5/libexec/rt-server.fcgi"

// coldSample is what one peer did in all rounds, in milliseconds.
type coldSample struct {
	first, second, together []float64
	problem                 string
}

func (m *cold) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"first request, ms", "the next, ms", fmt.Sprintf("all asleep, %d at once: all answered, ms", m.Instances)}
	plot := report.Plot{Name: "cold", Title: "The first request, nothing running", X: report.Axis{Label: "ms, median; whiskers are quartiles"}}
	for _, name := range m.Programs {
		program, err := b.program(name)
		if err != nil {
			return err
		}
		if name == "Request Tracker" && !exists(requestTracker) {
			for _, peer := range m.Peers {
				c := &crew{reasons: map[string]string{peer: "Request Tracker is not installed on this machine"}}
				t.Rows = append(t.Rows, c.because(name, peer, len(t.Columns)))
			}
			continue
		}
		samples := map[string]*coldSample{}
		for round := range m.Rounds {
			b.say("cold: %s, round %d of %d", name, round+1, m.Rounds)
			for _, turn := range stats.Turns(len(m.Peers), round) {
				peer := m.Peers[turn]
				if samples[peer] == nil {
					samples[peer] = &coldSample{}
				}
				if s := samples[peer]; s.problem == "" && ctx.Err() == nil {
					s.problem = m.once(ctx, b, peer, program, s)
				}
			}
		}
		for _, peer := range m.Peers {
			s := samples[peer]
			if s == nil || s.problem != "" {
				c := &crew{reasons: map[string]string{}}
				if s != nil {
					c.reasons[peer] = s.problem
				}
				t.Rows = append(t.Rows, c.because(name, peer, len(t.Columns)))
				continue
			}
			t.Rows = append(t.Rows, report.Row{Group: name, Name: peer, Cells: []report.Cell{report.Sampled(s.first, ""), report.Sampled(s.second, ""), report.Sampled(s.together, "")}})
			first := stats.Summarize(s.first)
			plot.Bars = append(plot.Bars, report.Bar{Group: name, Name: peer, Value: first.Median, Q1: first.Q1, Q3: first.Q3, Ours: isOurs(peer)})
		}
	}
	t.Plots = append(t.Plots, plot)
	return ctx.Err()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// once starts a peer twice with nothing running, for one request after the other and for all at once; it returns what
// stands against the peer.
func (m *cold) once(ctx context.Context, b *bench, peer string, program peers.Program, into *coldSample) string {
	for _, ask := range []func(context.Context, *peers.Service, *coldSample) error{m.inTurn, m.atOnce} {
		s, reason := b.start(ctx, peer, peers.Spec{Program: program, Workers: m.Instances, Lazy: true, Backlog: 4096})
		if reason != "" {
			return reason
		}
		err := asleep(s)
		if err == nil {
			limited, cancel := context.WithTimeout(ctx, time.Minute)
			err = ask(limited, s, into)
			cancel()
		}
		if err = errors.Join(err, s.Stop(ctx)); err != nil && ctx.Err() == nil {
			return firstLine(err)
		}
		if ctx.Err() != nil {
			return ""
		}
	}
	return ""
}

// asleep refuses a service that was to start with the first request and has not waited for it.
func asleep(s *peers.Service) error {
	if running := len(s.Processes().Workers); running > 0 {
		return fmt.Errorf("%d of its processes ran before any request", running)
	}
	return nil
}

// coldPath is the page that all programs have; Request Tracker's is its login.
const coldPath = "/"

// inTurn asks the first socket twice.
func (m *cold) inTurn(ctx context.Context, s *peers.Service, into *coldSample) error {
	client := s.Client()
	defer client.Close()
	for _, samples := range []*[]float64{&into.first, &into.second} {
		begin := time.Now()
		if err := client.Do(ctx, coldPath); err != nil {
			return err
		}
		*samples = append(*samples, milliseconds(time.Since(begin)))
	}
	return nil
}

// atOnce asks once for each instance at the same moment: each socket once, or the only one as often.
func (m *cold) atOnce(ctx context.Context, s *peers.Service, into *coldSample) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	begin := time.Now()
	for i := range m.Instances {
		all.Go(func() {
			client := s.Client()
			if len(s.Sockets) > 0 {
				client = load.NewFastCGI(s.Sockets[i%len(s.Sockets)], s.Spec.Program.Params)
			}
			defer client.Close()
			if err := client.Do(ctx, coldPath); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	into.together = append(into.together, milliseconds(time.Since(begin)))
	return errors.Join(errs...)
}

func isOurs(peer string) bool { return len(peer) >= len(ours) && peer[:len(ours)] == ours }
