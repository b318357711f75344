package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// A policy that has run is not due again, and once all that are due have run none is:
// an instance that finds work due which it may not do in its phase would otherwise
// spin. Every phase meets every timer, due and not, whether or not that can come
// about today.
func TestPoliciesAreNotDueOnceTheyHaveRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spins := 0
		for seed := range uint64(5000) {
			if text := spin(t, rand.New(rand.NewPCG(seed, 1))); text != "" {
				if spins++; spins <= 10 {
					t.Errorf("seed %d: %s", seed, text)
				}
			}
		}
		if spins > 0 {
			t.Errorf("%d in all", spins)
		}
	})
}

// spin makes an instance at random, and says what is due after it has run.
func spin(t *testing.T, r *rand.Rand) string {
	t.Helper()
	app := fcgisup.Default("rt")
	app.Command, app.User = []string{"/bin/true"}, ""
	app.Activation = pick(r, fcgisup.Lazy, fcgisup.Eager, fcgisup.Fleet)
	app.Workers = pick(r, fcgisup.Workers{Min: 1, Max: 1}, fcgisup.Workers{Min: 0, Max: 3, Spare: 1}, fcgisup.Workers{Min: 3, Max: 3})
	app.Limits.IdleTimeout = pick(r, 0, time.Minute)
	app.Limits.MaxAge = pick(r, 0, time.Hour)
	app.Limits.MaxMemory = pick[uint64](r, 0, 1<<10, 1<<30)
	app.Limits.RequestTimeout = pick(r, 0, time.Second)
	app.Health.Interval = pick(r, 0, 10*time.Second)
	h := &fakeHost{waiting: r.IntN(3), bad: pick(r, "", "", "shut", "lost"), ownFile: r.IntN(2) == 0, unrenewable: r.IntN(2) == 0}
	h.make = func(int) (*fakeProcess, error) {
		if r.IntN(3) == 0 {
			return nil, errors.New("no process")
		}
		return &fakeProcess{now: pick(r, worker.Observation{}, worker.Observation{Accepting: true}, worker.Observation{Held: 1}, worker.Observation{Polling: true})}, nil
	}
	i, now := idleInstance(t, app, h), time.Now()
	when := func() time.Time {
		return pick(r, time.Time{}, now.Add(-time.Hour), now.Add(-time.Nanosecond), now, now.Add(time.Nanosecond), now.Add(time.Hour))
	}
	i.phase, i.slept = pick(r, phaseSleeping, phaseAwake, phaseLeaving), r.IntN(2) == 0
	i.want = r.IntN(4)
	i.probing, i.watching, i.blind = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(4) == 0
	i.probeAt, i.sampleAt, i.activeAt, i.recycleAt, i.recycleDueSince = when(), when(), when(), when(), when()
	i.programAt, i.cold.next, i.leaveBy, i.socket.at, i.socket.moveAt = when(), when(), when(), when(), when()
	i.queueAt, i.sleptAt, i.cold.news = when(), when(), r.IntN(2) == 0
	i.bound.set, i.bound.open, i.bound.failed = r.IntN(2), r.IntN(3), r.IntN(4) == 0
	if r.IntN(3) == 0 {
		i.trial = &pingTrial{answered: r.IntN(2) == 0, until: when()}
	}
	for range r.IntN(3) {
		i.scaler.peaks = append(i.scaler.peaks, peak{pick(r, now.Add(-time.Hour), now.Add(-scaleWindow), now), r.IntN(4)})
	}
	i.cold.on, i.cold.answered = r.IntN(2) == 0, r.IntN(2) == 0
	i.cold.took = pick(r, 0, time.Nanosecond, time.Hour)
	if r.IntN(3) == 0 {
		i.programCheck = &programCheck{done: make(chan struct{})}
	}
	for range r.IntN(4) {
		i.slots = append(i.slots, randomSlot(r, i, h, now, when))
	}
	if r.IntN(3) == 0 {
		i.roll = &roll{cause: control.Operator, launch: i.launch, reply: make(chan error, 1)}
		for _, s := range i.slots {
			if r.IntN(2) == 0 {
				i.roll.todo = append(i.roll.todo, s)
			}
		}
		if len(i.slots) > 1 && r.IntN(2) == 0 {
			i.roll.fresh, i.roll.proven = i.slots[0], r.IntN(2) == 0
			i.roll.old = pick(r, nil, i.slots[1])
		}
	}
	phase := fmt.Sprintf("%s, roll %v, slots %s", i.phase, i.roll != nil, states(i.slots))
	defer i.cancelAll()
	for _, p := range i.policies {
		if !due(p.next(), now) {
			continue
		}
		if p.run(now); due(p.next(), now) {
			return fmt.Sprintf("%s: %T has run and is due again", phase, p)
		}
	}
	i.runDue(now)
	for _, p := range i.policies {
		if due(p.next(), now) {
			return fmt.Sprintf("%s: %T is due when all have run", phase, p)
		}
	}
	return ""
}

func randomSlot(r *rand.Rand, i *instance, h *fakeHost, now time.Time, when func() time.Time) *slot {
	state := control.States[r.IntN(len(control.States))]
	i.spawns++
	s := &slot{id: i.spawns, launch: i.launch, m: worker.Machine{State: state, Up: r.IntN(2) == 0, Attempt: r.IntN(5), Proven: r.IntN(2) == 0}}
	s.m.Since, s.m.Spawned = now.Add(-time.Minute), now.Add(-time.Minute)
	if state != control.Ready && state != control.Stopped { // each of these has a deadline, machine_test.go
		s.m.Deadline = now.Add(pick(r, -time.Hour, 0, time.Nanosecond, time.Hour))
		s.m.StopBy = now.Add(pick(r, -time.Hour, 0, time.Hour))
	}
	s.expiresAt, s.checkAt = when(), when()
	if s.m.Alive() {
		p, err := h.Spawn(s.launch, nil, func(worker.Exit, bool) {})
		for err != nil {
			p, err = h.Spawn(s.launch, nil, func(worker.Exit, bool) {})
		}
		s.proc = p
	}
	return s
}

// idleInstance is an instance whose loop does not run.
func idleInstance(t *testing.T, app fcgisup.App, h *fakeHost) *instance {
	t.Helper()
	b := newBench(t, func(a *fcgisup.App, fake *fakeHost) { *a = app })
	b.cancel()
	<-b.done
	i := newInstance(b.in, app, b.launch, h, b.opt, oneInstance())
	i.inbox = make(chan func(time.Time), 1024) // no loop reads it
	i.ctx = context.Background()
	i.board = scoreboard.Board{}
	return i
}

// cancelAll ends what a step may have begun.
func (i *instance) cancelAll() {
	for _, s := range i.slots {
		if s.endGate != nil {
			s.endGate()
		}
	}
}

func states(slots []*slot) string {
	var all []control.State
	for _, s := range slots {
		all = append(all, s.m.State)
	}
	return fmt.Sprint(all)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
