package supervisor

import (
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// policy is something that an instance does when its time has come, without news from outside.
type policy interface {
	// next is when run is due; zero: not before there is news. Once run(now) has returned, it is zero or later than now.
	next() time.Time
	run(now time.Time)
}

// immediately is the next of a policy whose condition already holds: it is due, whatever the time.
var immediately = time.Unix(1, 0)

// maxPasses bounds how often policies make each other due in one step. What is left is done in the next one.
const maxPasses = 8

// newPolicies lists all policies of an instance, in the order in which they run.
func newPolicies(i *instance) []policy {
	return []policy{
		deadlinePolicy{i},
		readinessPolicy{i},
		rollPolicy{i},
		templatePolicy{i},
		poolPolicy{i},
		leavePolicy{i},
		socketPolicy{i},
		queuePolicy{i},
		samplePolicy{i},
		idlePolicy{i},
		recyclePolicy{i},
		trialPolicy{i},
		probePolicy{i},
		programPolicy{i},
		reapPolicy{i},
	}
}

// runDue runs the policies that are due until none is.
func (i *instance) runDue(now time.Time) {
	for range maxPasses {
		ran := false
		for _, p := range i.policies {
			if due(p.next(), now) {
				p.run(now)
				ran = true
			}
		}
		if !ran {
			return
		}
	}
}

// nextDue is when runDue has something to do again without news.
func (i *instance) nextDue() time.Time {
	var next time.Time
	for _, p := range i.policies {
		next = sooner(next, p.next())
	}
	return next
}

// due reports whether the time has come; zero never comes.
func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// sooner returns the earlier time; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// latest returns the later time.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deadlinePolicy ends the states of workers that end by themselves.
type deadlinePolicy struct{ *instance }

func (p deadlinePolicy) next() (next time.Time) {
	for _, s := range p.slots {
		next = sooner(next, s.m.Deadline)
	}
	return next
}

func (p deadlinePolicy) run(now time.Time) {
	for _, s := range slices.Clone(p.slots) {
		if due(s.m.Deadline, now) {
			p.dispatch(s, worker.Event{Kind: worker.Deadline}, now)
		}
	}
}

// readinessPolicy finds out which starting workers accept.
type readinessPolicy struct{ *instance }

func (p readinessPolicy) next() (next time.Time) {
	for _, s := range p.slots {
		if s.m.State == control.Starting {
			next = sooner(next, s.checkAt)
		}
	}
	return next
}

func (p readinessPolicy) run(now time.Time) {
	for _, s := range slices.Clone(p.slots) {
		if s.m.State == control.Starting && due(s.checkAt, now) {
			p.checkReadiness(s, now)
		}
	}
}

// reapPolicy removes the slots that have ended and are not wanted.
type reapPolicy struct{ *instance }

func (p reapPolicy) next() time.Time {
	if slices.ContainsFunc(p.slots, isOver) {
		return immediately
	}
	return time.Time{}
}

func (p reapPolicy) run(time.Time) { p.slots = slices.DeleteFunc(p.slots, isOver) }

func isOver(s *slot) bool { return s.m.State == control.Stopped && !s.m.Up }
