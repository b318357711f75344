package supervisor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// failingAfter failures before readiness, in a row, make a slot failing.
	failingAfter = 3
	// resend is the pause between stop signals: libfcgi loses one that arrives between its flag test and accept(2).
	resend = time.Second
	// lastWord is what a worker gets between a forced stop signal and KILL.
	lastWord = 2 * time.Second
	// rekill is the pause between KILLs; more than one is needed only for a group that still forks.
	rekill = 5 * time.Second
)

// limits is what the machine needs of the configuration.
type limits struct {
	start, stop time.Duration
	// delay is the wait before the attempt after n failures in a row; jitter is its caller's.
	delay func(n int) time.Duration
	// pause is the least time from one spawn to the next.
	pause time.Duration
}

// kind of event.
type kind string

const (
	start       kind = "start"        // goal up; also restarts at once what waits in backoff
	stop        kind = "stop"         // goal down, with care for connections
	kill        kind = "kill"         // goal down, at once
	ready       kind = "ready"        // the process accepts
	unhealthy   kind = "unhealthy"    // the process is stuck or answers wrong
	released    kind = "released"     // the gate found no connection and has sent the stop signal
	spawnFailed kind = "spawn-failed" // there is no process after all
	exited      kind = "exited"       // the last process of the group is gone
	orphaned    kind = "orphaned"     // the leader is gone, others of its group are not
	changed     kind = "changed"      // the program is not that of the last attempt any more
	deadline    kind = "deadline"     // the machine's deadline has come
)

var kinds = []kind{start, stop, kill, ready, unhealthy, released, spawnFailed, exited, orphaned, changed, deadline}

// event is what happened to a slot.
type event struct {
	kind kind
	// cause comes with stop, kill and unhealthy, and with exited and orphaned if it is
	// known better than by the exit status.
	cause control.Cause
	// clean comes with exited and orphaned: exit status 0.
	clean bool
	// settled comes with changed: the new program has held still, so what the old one did wrong does not count.
	settled bool
}

// effect is what the instance does about it, in order.
type effect string

const (
	doSpawn effect = "spawn"
	// doGate starts to look for the moment to signal; it ends with released or with the process.
	doGate   effect = "gate"
	doSignal effect = "signal"
	doKill   effect = "kill"
	// doCount counts a connection that had to be cut.
	doCount effect = "count-cut"
)

// machine is one worker slot. Its goal (up) and its fact (state) are apart:
// operators change the goal, events change the fact.
type machine struct {
	state control.State
	up    bool
	// cause is why the process is being stopped, or why the last one went.
	cause control.Cause
	// attempt counts failures in a row before readiness.
	attempt int
	// proven tells whether the present process, or the last one, has been ready.
	proven bool
	// since is the last change of state.
	since time.Time
	// spawned is when the present process, or the last one, was started.
	spawned time.Time
	// deadline is when the state ends by itself; zero only in ready and stopped.
	deadline time.Time
	// stopBy is when asking ends and killing begins.
	stopBy time.Time
}

// alive tells whether the slot has a process.
func (m machine) alive() bool {
	switch m.state {
	case control.Starting, control.Ready, control.Draining, control.Stopping, control.Killing:
		return true
	case control.Backoff, control.Failing, control.Stopped:
	}
	return false
}

// step is the whole behaviour of a slot. It is pure; TestStep searches it exhaustively.
func step(m machine, ev event, now time.Time, l limits) (machine, []effect) {
	switch ev.kind {
	case start:
		return m.onStart(now, l)
	case stop:
		return m.onStop(ev.cause, now, l)
	case kill:
		return m.onKill(ev.cause, now)
	case ready:
		if m.state == control.Starting {
			m.attempt, m.proven = 0, true
			return m.enter(control.Ready, now, time.Time{}), nil
		}
	case unhealthy:
		if m.state == control.Ready {
			m.cause = ev.cause
			return m.signal(now, now.Add(l.stop))
		}
	case released:
		if m.state == control.Draining {
			m.stopBy = later(m.stopBy, now.Add(lastWord))
			return m.enter(control.Stopping, now, earlier(now.Add(resend), m.stopBy)), nil
		}
	case spawnFailed:
		if m.state == control.Starting {
			m.cause = control.SpawnError
			return m.failed(now, l)
		}
	case exited:
		return m.onExited(ev, now, l)
	case orphaned:
		return m.onOrphaned(ev, now, l)
	case changed:
		return m.onChanged(ev.settled, now, l)
	case deadline:
		return m.onDeadline(now, l)
	}
	return m, nil
}

func (m machine) onStart(now time.Time, l limits) (machine, []effect) {
	m.up = true
	if m.alive() {
		return m, nil
	}
	return m.spawn(now, l)
}

func (m machine) onStop(cause control.Cause, now time.Time, l limits) (machine, []effect) {
	m.up = false
	switch m.state {
	case control.Starting, control.Ready:
		m.cause = cause
		m.stopBy = now.Add(l.stop)
		return m.enter(control.Draining, now, m.stopBy), []effect{doGate}
	case control.Backoff, control.Failing:
		m.attempt = 0
		return m.enter(control.Stopped, now, time.Time{}), nil
	case control.Draining, control.Stopping, control.Killing, control.Stopped:
	}
	return m, nil
}

func (m machine) onKill(cause control.Cause, now time.Time) (machine, []effect) {
	m.up = false
	switch m.state {
	case control.Starting, control.Ready, control.Draining, control.Stopping:
		m.cause = cause
		return m.enter(control.Killing, now, now.Add(rekill)), []effect{doKill}
	case control.Backoff, control.Failing:
		m.attempt = 0
		return m.enter(control.Stopped, now, time.Time{}), nil
	case control.Killing, control.Stopped:
	}
	return m, nil
}

func (m machine) onExited(ev event, now time.Time, l limits) (machine, []effect) {
	if !m.alive() {
		return m, nil
	}
	if m.state == control.Starting || m.state == control.Ready {
		m.cause = lost(m.state, ev)
	}
	switch {
	case !m.up:
		m.attempt = 0
		return m.enter(control.Stopped, now, time.Time{}), nil
	case !m.proven:
		return m.failed(now, l)
	}
	return m.replace(now, l)
}

// onOrphaned ends what a leader has left: with care for their requests, since
// they may go on serving without it.
func (m machine) onOrphaned(ev event, now time.Time, l limits) (machine, []effect) {
	switch m.state {
	case control.Starting:
		m.cause = lost(m.state, ev)
		return m.signal(now, now.Add(l.stop))
	case control.Ready:
		m.cause = lost(m.state, ev)
		m.stopBy = now.Add(l.stop)
		return m.enter(control.Draining, now, m.stopBy), []effect{doGate}
	case control.Draining, control.Stopping, control.Killing, control.Backoff, control.Failing, control.Stopped:
	}
	return m, nil
}

// onChanged ends a wait: another program deserves an attempt of its own.
func (m machine) onChanged(settled bool, now time.Time, l limits) (machine, []effect) {
	if m.state != control.Backoff && m.state != control.Failing {
		return m, nil
	}
	if settled {
		m.attempt = 0
	}
	return m.spawn(now, l)
}

// lost names the end of a process that nobody asked to end.
func lost(s control.State, ev event) control.Cause {
	switch {
	case s == control.Ready && ev.cause != control.None:
		return ev.cause
	case s == control.Ready && ev.clean:
		return control.Finished
	}
	return control.Crash
}

func (m machine) onDeadline(now time.Time, l limits) (machine, []effect) {
	if m.deadline.IsZero() || now.Before(m.deadline) {
		return m, nil
	}
	switch m.state {
	case control.Starting:
		m.cause = control.StartTimeout
		return m.signal(now, now.Add(l.stop))
	case control.Draining:
		m, effects := m.signal(now, now.Add(lastWord))
		return m, append(effects, doCount)
	case control.Stopping:
		if now.Before(m.stopBy) {
			m.deadline = earlier(now.Add(resend), m.stopBy)
			return m, []effect{doSignal}
		}
		return m.enter(control.Killing, now, now.Add(rekill)), []effect{doKill}
	case control.Killing:
		m.deadline = now.Add(rekill)
		return m, []effect{doKill}
	case control.Backoff, control.Failing:
		return m.spawn(now, l)
	case control.Ready, control.Stopped:
	}
	return m, nil
}

// signal asks the process to stop, again and again until by.
func (m machine) signal(now, by time.Time) (machine, []effect) {
	m.stopBy = by
	return m.enter(control.Stopping, now, earlier(now.Add(resend), by)), []effect{doSignal}
}

func (m machine) spawn(now time.Time, l limits) (machine, []effect) {
	m.spawned, m.proven = now, false
	return m.enter(control.Starting, now, now.Add(l.start)), []effect{doSpawn}
}

// replace follows a process that had been ready: at once, unless it was so
// short that a loop of such would be a busy one.
func (m machine) replace(now time.Time, l limits) (machine, []effect) {
	if again := m.spawned.Add(l.pause); again.After(now) {
		return m.enter(control.Backoff, now, again), nil
	}
	return m.spawn(now, l)
}

// failed follows an attempt that never became ready.
func (m machine) failed(now time.Time, l limits) (machine, []effect) {
	m.attempt++
	wait := control.Backoff
	if m.attempt >= failingAfter {
		wait = control.Failing
	}
	return m.enter(wait, now, now.Add(l.delay(m.attempt))), nil
}

func (m machine) enter(s control.State, now, deadline time.Time) machine {
	m.state, m.since, m.deadline = s, now, deadline
	return m
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
