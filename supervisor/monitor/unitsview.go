package monitor

import (
	"context"
	"time"
)

// failedAtOnce is how many failed units are asked why in one round.
const failedAtOnce = 32

// unitsView is what systemd has said last.
type unitsView struct {
	all    map[string]Unit
	at     time.Time
	known  bool
	asked  bool
	warned bool
}

// believed reports whether what systemd has said is young enough, also while it
// still has to answer.
func (v unitsView) believed(old time.Duration) bool { return v.known && time.Since(v.at) < old }

// old is how long an answer stands for the present.
func (m *Monitor) old() time.Duration { return max(oldAnswers*m.opt.Interval, leastOld) }

// lookAtUnits asks systemd for all units, unless it still has to answer.
func (m *Monitor) lookAtUnits(run context.Context) {
	if m.opt.Units == nil || m.units.asked {
		return
	}
	m.units.asked = true
	m.await()
	before := m.units.all
	go func() {
		ctx, cancel := context.WithTimeout(run, unitsTimeout)
		defer cancel()
		all, err := m.opt.Units.List(ctx)
		at := time.Now()
		if err == nil {
			m.results(ctx, all, before)
		}
		m.post(func() {
			m.toldUnits(run, all, at, err)
			m.answered()
		})
	}()
}

// results adds the reason to units that have failed since the last time, or that systemd starts again and again.
func (m *Monitor) results(ctx context.Context, all, before map[string]Unit) {
	asked := 0
	for name, u := range all {
		if !u.failing() {
			continue
		}
		if old := before[name]; old.failing() && old.Result != "" {
			u.Result = old.Result
		} else if (u.Active == unitFailed || u.Sub == subAutoRestart) && asked < failedAtOnce {
			asked++
			u.Result, _ = m.opt.Units.Result(ctx, name) // that it failed is what matters
		}
		all[name] = u
	}
}

func (m *Monitor) toldUnits(ctx context.Context, all map[string]Unit, at time.Time, err error) {
	m.units.asked = false
	if err != nil {
		m.counts.unitErrors.Add(1)
		if !m.units.warned {
			m.opt.Log.Error("systemd does not tell its units", "error", err)
		}
		m.units.warned = true
		return
	}
	m.units = unitsView{all: all, at: at, known: true}
	m.countRestarts()
	m.probePlains(ctx, at)
}
