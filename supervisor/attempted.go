package supervisor

import (
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// maxLookers bounds the threads that a file system can hold which does not answer,
// attemptPatience how long such a one holds up a first attempt.
const (
	maxLookers      = 4
	attemptPatience = 20 * time.Millisecond
)

// programEvery is how often the program of a worker that waits is looked at. A
// shorter wait is over before it could be worth it.
const programEvery = time.Second

// attempted is what a slot knows of the program that failed.
//
// A program that has changed is another one, and is tried at once. Its
// predecessor's failures are forgiven later, with a second attempt, when it has
// held still for a while: a deployment writes more files than those that are
// looked at, and by then the others are there, or come during the short waits
// that follow. So that what changes now and then does not have a series of quick
// attempts each time, every pardon doubles the while, to max_delay.
//
// What never holds still is no deployment (a log that is named in the command, a
// file that each attempt writes, of this worker or another one's): its failures go
// on counting, and the gap between early attempts doubles, to max_delay, at which it
// waits for its turn like any other. A pardon ends the gap, and a worker that
// becomes ready ends all that.
type attempted struct {
	// seen is the program at the last look, with what it was at the last attempt:
	// as of a look that began before it. Nil: nobody knows, as after a handover.
	seen, with worker.Program
	// first is the look right before the attempt, when there was none earlier.
	first *programLook
	// changedAt is when it was last seen changed; zero: that is dealt with.
	changedAt time.Time
	// while is how long the next change has to hold still, at least programEvery.
	while time.Duration
	// gap is the least time from an attempt to an early one.
	gap time.Duration
}

// programLook is a look under way. It has a goroutine of its own, for on a file
// system that does not answer it never ends; so there is one at a time.
type programLook struct {
	sights []programSight
	// done is closed when it has ended.
	done chan struct{}
	// told: the log has what has changed.
	told bool
}

// programSight is what there is to see of one launch.
type programSight struct {
	launch worker.Launch
	// seen before, and now.
	seen, now worker.Program
	// fresh is the launch made anew, if there is a reason; err if that has failed.
	fresh *worker.Launch
	err   error
}

// take looks. What files say is read after their states, so that no change is missed.
func (v *programSight) take(h host) {
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

// of is what was seen of a launch; nil if that was not looked at.
func (k *programLook) of(l worker.Launch) *programSight {
	n := slices.IndexFunc(k.sights, func(v programSight) bool { return v.launch.Equal(l) })
	if n < 0 {
		return nil
	}
	return &k.sights[n]
}

// lookAtPrograms begins a look, unless one is under way.
func (i *instance) lookAtPrograms(slots ...*slot) {
	if i.programLook != nil {
		return
	}
	k := &programLook{done: make(chan struct{})}
	for _, s := range slots { // most have the same
		if k.of(s.launch) == nil {
			k.sights = append(k.sights, programSight{launch: s.launch, seen: s.last.seen})
		}
	}
	i.programLook = k
	sights := slices.Clone(k.sights)
	go func() {
		i.opt.lookers <- struct{}{}
		defer func() { <-i.opt.lookers }()
		for n := range sights {
			sights[n].take(i.host)
		}
		close(k.done)
		i.post(func(now time.Time) {
			i.programLook = nil
			k.sights = sights
			i.judgePrograms(k, now)
		})
	}()
}

// noteAttempt has it known what an attempt is made with, right before it is made.
// After a failure it was looked at while the slot waited.
func (i *instance) noteAttempt(s *slot) {
	s.last.with, s.last.first = s.last.seen, nil
	if s.m.Attempt > 0 && s.last.seen != nil {
		return
	}
	s.last.with, s.last.seen = nil, nil
	i.lookAtPrograms(s)
	if k := i.programLook; k.of(s.launch) != nil {
		s.last.first = k
		select { // what changes after the attempt has begun must not pass for what it was made with
		case <-k.done:
		case <-time.After(attemptPatience):
		}
	}
}

// waits tells whether the slot's next attempt is yet to come.
func (s *slot) waits() bool { return s.m.State == control.Backoff || s.m.State == control.Failing }

// waitsLong tells whether it waits for so long that a change of its program ends that.
func (s *slot) waitsLong() bool { return s.waits() && s.m.Deadline.Sub(s.m.Since) > programEvery }

// programPolicy looks at the programs of workers that wait: at once, so that the next
// attempt is made with what the environment file says, and again while they wait.
// While none waits nothing is looked at.
type programPolicy struct{ *instance }

func (p programPolicy) next() time.Time {
	switch {
	case p.phase != phaseAwake || p.programLook != nil || !slices.ContainsFunc(p.slots, (*slot).waits):
		return time.Time{}
	case p.programAt.IsZero():
		return immediately
	}
	return p.programAt
}

func (p programPolicy) run(now time.Time) {
	first := p.programAt.IsZero()
	p.programAt = now.Add(programEvery)
	if !first { // else they were looked at before this supervisor took over
		p.lookAtPrograms(slices.DeleteFunc(slices.Clone(p.slots), func(s *slot) bool { return !s.waits() })...)
	}
}

// judgePrograms does what a look calls for.
func (i *instance) judgePrograms(k *programLook, now time.Time) {
	for _, s := range i.slots {
		v := k.of(s.launch)
		switch {
		case v == nil:
		case s.last.first == k:
			s.last.first = nil
			s.last.with = v.now.AsRead(s.launch)
			s.last.seen = s.last.with
		case s.waits() && i.phase == phaseAwake:
			i.renew(s, v)
			i.judgeProgram(s, v, k, now)
		}
	}
}

// renew starts the slot's next worker with what the environment file says now.
func (i *instance) renew(s *slot, v *programSight) {
	if v.fresh == nil {
		return
	}
	// The same command with another environment file answers pings as it did.
	address := i.app.Health.Address
	if known := i.opt.pings.verdict(pinged{v.launch, address}); known != control.PingUntried {
		i.opt.pings.conclude(pinged{*v.fresh, address}, known)
	}
	if i.launch.Equal(v.launch) {
		i.launch = *v.fresh
	}
	s.launch = *v.fresh
}

// judgeProgram ends the wait of a worker whose program has changed.
func (i *instance) judgeProgram(s *slot, v *programSight, k *programLook, now time.Time) {
	if _, moved := v.now.ChangedSince(s.last.seen); moved {
		s.last.seen, s.last.changedAt = v.now, now
		if v.err != nil {
			i.log.Warn("workers are started as before", "error", v.err)
			v.err = nil // that is told once
		}
	}
	if !s.waitsLong() || now.Sub(s.m.Since) < programEvery {
		return
	}
	name, differs := v.now.ChangedSince(s.last.with)
	switch {
	case differs && now.Sub(s.m.Spawned) >= s.last.gap:
		if s.last.with != nil && !k.told {
			i.log.Info("the program has changed", "file", name)
			k.told = true
		}
		s.last.gap = i.doubled(s.last.gap)
		i.happen(s, worker.Event{Kind: worker.Changed}, now)
	case !differs && !s.last.changedAt.IsZero() && now.Sub(s.last.changedAt) >= max(s.last.while, programEvery):
		s.last.changedAt, s.last.gap = time.Time{}, 0
		s.last.while = i.doubled(s.last.while)
		i.happen(s, worker.Event{Kind: worker.Changed, Settled: true}, now)
	}
}

// doubled is a wait's successor.
func (i *instance) doubled(d time.Duration) time.Duration {
	return min(2*max(d, programEvery), i.app.Restart.MaxDelay)
}
