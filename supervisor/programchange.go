package supervisor

import (
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// maxProgramChecks bounds the threads that a file system can hold which does not answer,
// attemptTimeout how long such a one holds up a first attempt.
const (
	maxProgramChecks = 4
	attemptTimeout   = 20 * time.Millisecond
)

// programEvery is how often the program of a worker that waits is checked. A
// shorter wait is over before it could be worth it.
const programEvery = time.Second

// changeTracker is what a slot knows of the program that failed.
//
// A program that has changed is another one, and is tried at once. Its
// predecessor's failures are forgiven later, with a second attempt, when it has
// held still for a while: a deployment writes more files than those that are
// checked, and by then the others are there, or come during the short waits
// that follow. So that what changes now and then does not have a series of quick
// attempts each time, every pardon doubles the while, to max_delay.
//
// What never holds still is not a deployment (a log that is named in the command, a
// file that each attempt writes, of this worker or another one's): its failures go
// on counting, and the gap between early attempts doubles, to max_delay, at which it
// waits for its turn like any other. A pardon ends the gap, and a worker that
// becomes ready ends all that.
type changeTracker struct {
	// seen is the program at the last check, attemptedWith what it was at the last attempt:
	// as of a check that began before it. Nil: it is not known, as after a handover.
	seen, attemptedWith worker.Program
	// firstCheck is the check right before the attempt, when there was none earlier.
	firstCheck *programCheck
	// changedAt is when it was last seen changed; zero: that is dealt with.
	changedAt time.Time
	// holdTime is how long the next change has to hold still, at least programEvery.
	holdTime time.Duration
	// gap is the least time from an attempt to an early one.
	gap time.Duration
}

// programCheck is a check of programs under way. It has a goroutine of its own, for on a file
// system that does not answer it never ends; so there is one at a time.
type programCheck struct {
	states []programState
	// done is closed when it has ended.
	done chan struct{}
	// reported is set once the log has what has changed.
	reported bool
}

// programState is the state of the files of one launch.
type programState struct {
	launch worker.Launch
	// seen before, and now.
	seen, now worker.Program
	// fresh is the launch built again, if there is a reason; err if that has failed.
	fresh *worker.Launch
	err   error
}

// read reads it. What files say is read after their states, so that no change is missed.
func (v *programState) read(h host) {
	v.now = h.Program(v.launch)
	_, outdated := v.now.ChangedSince(v.now.AsRead(v.launch))
	_, moved := v.now.ChangedSince(v.seen)
	if !outdated && (!moved || v.seen == nil) {
		return
	}
	l, err := v.launch.Rebuild()
	if v.err = err; err == nil {
		v.fresh = &l
	}
}

// of returns what was seen of a launch; nil if that was not checked.
func (k *programCheck) of(l worker.Launch) *programState {
	n := slices.IndexFunc(k.states, func(v programState) bool { return v.launch.Equal(l) })
	if n < 0 {
		return nil
	}
	return &k.states[n]
}

// checkPrograms begins a check, unless one is under way.
func (i *instance) checkPrograms(slots ...*slot) {
	if i.programCheck != nil {
		return
	}
	k := &programCheck{done: make(chan struct{})}
	for _, s := range slots { // most have the same
		if k.of(s.launch) == nil {
			k.states = append(k.states, programState{launch: s.launch, seen: s.changes.seen})
		}
	}
	i.programCheck = k
	sights := slices.Clone(k.states)
	go func() {
		i.common.programChecks <- struct{}{}
		defer func() { <-i.common.programChecks }()
		for n := range sights {
			sights[n].read(i.host)
		}
		close(k.done)
		i.post(func(now time.Time) {
			i.programCheck = nil
			k.states = sights
			i.applyProgramCheck(k, now)
		})
	}()
}

// noteAttempt records what an attempt is made with, right before it is made.
// After a failure it was checked while the slot waited.
func (i *instance) noteAttempt(s *slot) {
	s.changes.attemptedWith, s.changes.firstCheck = s.changes.seen, nil
	if s.m.Attempt > 0 && s.changes.seen != nil {
		return
	}
	s.changes.attemptedWith, s.changes.seen = nil, nil
	i.checkPrograms(s)
	if k := i.programCheck; k.of(s.launch) != nil {
		s.changes.firstCheck = k
		select { // what changes after the attempt has begun must not pass for what it was made with
		case <-k.done:
		case <-time.After(attemptTimeout):
		}
	}
}

// isWaiting reports whether the slot's next attempt is yet to come.
func (s *slot) isWaiting() bool { return s.m.State == control.Backoff || s.m.State == control.Failing }

// waitsLong reports whether it waits for so long that a change of its program ends that.
func (s *slot) waitsLong() bool { return s.isWaiting() && s.m.Deadline.Sub(s.m.Since) > programEvery }

// programPolicy checks the programs of workers that wait: at once, so that the next
// attempt is made with what the environment file says, and again while they wait.
// While none waits nothing is checked.
type programPolicy struct{ *instance }

func (p programPolicy) next() time.Time {
	switch {
	case p.phase != phaseAwake || p.programCheck != nil || !slices.ContainsFunc(p.slots, (*slot).isWaiting):
		return time.Time{}
	case p.programAt.IsZero():
		return immediately
	}
	return p.programAt
}

func (p programPolicy) run(now time.Time) {
	first := p.programAt.IsZero()
	p.programAt = now.Add(programEvery)
	if !first { // else they were checked before this supervisor took over
		p.checkPrograms(slices.DeleteFunc(slices.Clone(p.slots), func(s *slot) bool { return !s.isWaiting() })...)
	}
}

// applyProgramCheck acts on what a check has found.
func (i *instance) applyProgramCheck(k *programCheck, now time.Time) {
	for _, s := range i.slots {
		v := k.of(s.launch)
		switch {
		case v == nil:
		case s.changes.firstCheck == k:
			s.changes.firstCheck = nil
			s.changes.attemptedWith = v.now.AsRead(s.launch)
			s.changes.seen = s.changes.attemptedWith
		case s.isWaiting() && i.phase == phaseAwake:
			i.rebuildLaunch(s, v)
			i.applyProgramChange(s, v, k, now)
		}
	}
}

// rebuildLaunch starts the slot's next worker with what the environment file says now.
func (i *instance) rebuildLaunch(s *slot, v *programState) {
	if v.fresh == nil {
		return
	}
	// The same command with another environment file answers pings as it did.
	address := i.app.Health.Address
	if known := i.common.pings.verdict(pinged{v.launch, address}); known != control.PingUntried {
		i.common.pings.conclude(pinged{*v.fresh, address}, known)
	}
	if i.launch.Equal(v.launch) {
		i.launch = *v.fresh
	}
	s.launch = *v.fresh
}

// applyProgramChange ends the wait of a worker whose program has changed.
func (i *instance) applyProgramChange(s *slot, v *programState, k *programCheck, now time.Time) {
	if _, moved := v.now.ChangedSince(s.changes.seen); moved {
		s.changes.seen, s.changes.changedAt = v.now, now
		if v.err != nil {
			i.log.Warn("workers are started as before", "error", v.err)
			v.err = nil // that is told once
		}
	}
	if !s.waitsLong() || now.Sub(s.m.Since) < programEvery {
		return
	}
	name, differs := v.now.ChangedSince(s.changes.attemptedWith)
	switch {
	case differs && now.Sub(s.m.Spawned) >= s.changes.gap:
		if s.changes.attemptedWith != nil && !k.reported {
			i.log.Info("the program has changed", "file", name)
			k.reported = true
		}
		s.changes.gap = i.doubled(s.changes.gap)
		i.dispatch(s, worker.Event{Kind: worker.Changed}, now)
	case !differs && !s.changes.changedAt.IsZero() && now.Sub(s.changes.changedAt) >= max(s.changes.holdTime, programEvery):
		s.changes.changedAt, s.changes.gap = time.Time{}, 0
		s.changes.holdTime = i.doubled(s.changes.holdTime)
		i.dispatch(s, worker.Event{Kind: worker.Changed, Settled: true}, now)
	}
}

// doubled returns the next longer wait.
func (i *instance) doubled(d time.Duration) time.Duration {
	return min(2*max(d, programEvery), i.app.Restart.MaxDelay)
}
