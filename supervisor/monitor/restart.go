package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fcgisup/fcgisup"
)

// ErrNothingRuns says that there is nothing to restart.
var ErrNothingRuns = errors.New("none of it runs: what sleeps has nothing to restart")

// target is one instance that runs, and how to restart it.
type target struct {
	in fcgisup.Instance
	// socket is its supervisor's; service the unit of a plain one.
	socket, service string
}

// Restart restarts an instance, or for number 0 all of the app that run, one
// after the other. It stops at the first that fails. The error wraps
// [ErrNothingRuns] when there is none.
func (m *Monitor) Restart(ctx context.Context, app string, number int) error {
	found := make(chan []target, 1)
	select {
	case m.posts <- func() { found <- m.targets(app, number) }:
	case <-m.done:
		return errors.New("the monitor ends")
	case <-ctx.Done():
		return ctx.Err()
	}
	targets := <-found
	if len(targets) == 0 {
		return fmt.Errorf("cannot restart %s: %w", app, ErrNothingRuns)
	}
	for _, t := range targets {
		var err error
		if t.service != "" {
			err = m.opt.Units.TryRestart(ctx, t.service)
		} else {
			err = m.opt.Restart(ctx, t.socket, t.in.Number)
		}
		m.opt.Log.Info("restart asked for over HTTP", "instance", t.in.String(), "error", err)
		if err != nil {
			return fmt.Errorf("cannot restart %s: %w", t.in, err)
		}
	}
	return nil
}

// targets finds what runs.
func (m *Monitor) targets(app string, number int) []target {
	var all []target
	wanted := func(n int) bool { return number == 0 || n == number }
	for _, c := range m.controls {
		for _, st := range c.all {
			if st.App == app && wanted(st.Instance) {
				all = append(all, target{in: fcgisup.Instance{App: st.App, Number: st.Instance}, socket: c.path})
			}
		}
	}
	for _, a := range m.apps {
		if a.Name != app || a.Systemd.Supervise {
			continue
		}
		for _, in := range a.Expand() {
			if _, service := m.opt.UnitNames(in); wanted(in.Number) && m.units.all[service].up() {
				all = append(all, target{in: bare(in), service: service})
			}
		}
	}
	slices.SortFunc(all, func(a, b target) int { return cmp.Compare(a.in.Number, b.in.Number) })
	return all
}
