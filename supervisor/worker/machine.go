package worker

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// FailingAfter failures before readiness, in a row, make a slot failing.
	FailingAfter = 3
	// resend is the pause between stop signals: libfcgi loses one that arrives between its flag test and accept(2).
	resend = time.Second
	// killAfter is what a worker gets between a forced stop signal and KILL.
	killAfter = 2 * time.Second
	// rekill is the pause between KILLs; more than one is needed only for a group that still forks.
	rekill = 5 * time.Second
)

// Limits is what the machine needs of the configuration.
type Limits struct {
	Start, Stop time.Duration
	// Delay is the wait before the attempt after n failures in a row; jitter is its caller's.
	Delay func(n int) time.Duration
	// Pause is the least time from one spawn to the next.
	Pause time.Duration
}

// EventKind is what happened.
type EventKind string

// The events of a slot.
const (
	Start       EventKind = "start"        // goal up; also restarts at once what waits in backoff
	Stop        EventKind = "stop"         // goal down, with care for connections
	Kill        EventKind = "kill"         // goal down, at once
	Ready       EventKind = "ready"        // the process accepts
	Unhealthy   EventKind = "unhealthy"    // the process is stuck or answers wrong
	Released    EventKind = "released"     // the gate found no connection and has sent the stop signal
	SpawnFailed EventKind = "spawn-failed" // there is no process after all
	Exited      EventKind = "exited"       // the last process of the group is gone
	Orphaned    EventKind = "orphaned"     // the leader is gone, others of its group are not
	Changed     EventKind = "changed"      // the program is not that of the last attempt any more
	Deadline    EventKind = "deadline"     // the machine's deadline has come
)

var eventKinds = []EventKind{Start, Stop, Kill, Ready, Unhealthy, Released, SpawnFailed, Exited, Orphaned, Changed, Deadline}

// Event is what happened to a slot.
type Event struct {
	Kind EventKind
	// Cause comes with stop, kill and unhealthy, and with exited and orphaned if it is
	// known better than by the exit status.
	Cause control.Cause
	// Clean comes with exited and orphaned: exit status 0.
	Clean bool
	// Settled comes with changed: the new program has held still, so what the old one did wrong does not count.
	Settled bool
}

// Effect is what the instance does about it, in order.
type Effect string

// What an instance does.
const (
	// DoSpawn starts a process.
	DoSpawn Effect = "spawn"
	// DoGate starts the search for a moment to signal; it ends with released or with the process.
	DoGate Effect = "gate"
	// DoSignal sends the stop signal, DoKill SIGKILL.
	DoSignal Effect = "signal"
	DoKill   Effect = "kill"
	// DoCount counts a connection that had to be cut.
	DoCount Effect = "count-cut"
)

// Machine is one worker slot. Its goal (up) and its fact (state) are apart:
// operators change the goal, events change the fact.
type Machine struct {
	State control.State
	Up    bool
	// Cause is why the process is being stopped, or why the last one went.
	Cause control.Cause
	// Attempt counts failures in a row before readiness.
	Attempt int
	// Proven reports whether the present process, or the last one, has been ready.
	Proven bool
	// Since is the last change of state.
	Since time.Time
	// Spawned is when the present process, or the last one, was started.
	Spawned time.Time
	// Deadline is when the state ends by itself; zero only in ready and stopped.
	Deadline time.Time
	// StopBy is when asking ends and killing begins.
	StopBy time.Time
}

// Alive reports whether the slot has a process.
func (m Machine) Alive() bool {
	switch m.State {
	case control.Starting, control.Ready, control.Draining, control.Stopping, control.Killing:
		return true
	case control.Backoff, control.Failing, control.Stopped:
	}
	return false
}

// Step returns the state after an event, and what to do: the whole behaviour of a slot. It is pure; TestStep searches it exhaustively.
func Step(m Machine, ev Event, now time.Time, l Limits) (Machine, []Effect) {
	switch ev.Kind {
	case Start:
		return m.onStart(now, l)
	case Stop:
		return m.onStop(ev.Cause, now, l)
	case Kill:
		return m.onKill(ev.Cause, now)
	case Ready:
		if m.State == control.Starting {
			m.Attempt, m.Proven = 0, true
			return m.Enter(control.Ready, now, time.Time{}), nil
		}
	case Unhealthy:
		if m.State == control.Ready {
			m.Cause = ev.Cause
			return m.signal(now, now.Add(l.Stop))
		}
	case Released:
		if m.State == control.Draining {
			m.StopBy = later(m.StopBy, now.Add(killAfter))
			return m.Enter(control.Stopping, now, earlier(now.Add(resend), m.StopBy)), nil
		}
	case SpawnFailed:
		if m.State == control.Starting {
			m.Cause = control.SpawnError
			return m.failed(now, l)
		}
	case Exited:
		return m.onExited(ev, now, l)
	case Orphaned:
		return m.onOrphaned(ev, now, l)
	case Changed:
		return m.onChanged(ev.Settled, now, l)
	case Deadline:
		return m.onDeadline(now, l)
	}
	return m, nil
}

func (m Machine) onStart(now time.Time, l Limits) (Machine, []Effect) {
	m.Up = true
	if m.Alive() {
		return m, nil
	}
	return m.spawn(now, l)
}

func (m Machine) onStop(cause control.Cause, now time.Time, l Limits) (Machine, []Effect) {
	m.Up = false
	switch m.State {
	case control.Starting, control.Ready:
		m.Cause = cause
		m.StopBy = now.Add(l.Stop)
		return m.Enter(control.Draining, now, m.StopBy), []Effect{DoGate}
	case control.Backoff, control.Failing:
		m.Attempt = 0
		return m.Enter(control.Stopped, now, time.Time{}), nil
	case control.Draining, control.Stopping, control.Killing, control.Stopped:
	}
	return m, nil
}

func (m Machine) onKill(cause control.Cause, now time.Time) (Machine, []Effect) {
	m.Up = false
	switch m.State {
	case control.Starting, control.Ready, control.Draining, control.Stopping:
		m.Cause = cause
		return m.Enter(control.Killing, now, now.Add(rekill)), []Effect{DoKill}
	case control.Backoff, control.Failing:
		m.Attempt = 0
		return m.Enter(control.Stopped, now, time.Time{}), nil
	case control.Killing, control.Stopped:
	}
	return m, nil
}

func (m Machine) onExited(ev Event, now time.Time, l Limits) (Machine, []Effect) {
	if !m.Alive() {
		return m, nil
	}
	if m.State == control.Starting || m.State == control.Ready {
		m.Cause = lost(m.State, ev)
	}
	switch {
	case !m.Up:
		m.Attempt = 0
		return m.Enter(control.Stopped, now, time.Time{}), nil
	case !m.Proven:
		return m.failed(now, l)
	}
	return m.replace(now, l)
}

// onOrphaned ends what a leader has left: with care for their requests, since
// they may go on serving without it.
func (m Machine) onOrphaned(ev Event, now time.Time, l Limits) (Machine, []Effect) {
	switch m.State {
	case control.Starting:
		m.Cause = lost(m.State, ev)
		return m.signal(now, now.Add(l.Stop))
	case control.Ready:
		m.Cause = lost(m.State, ev)
		m.StopBy = now.Add(l.Stop)
		return m.Enter(control.Draining, now, m.StopBy), []Effect{DoGate}
	case control.Draining, control.Stopping, control.Killing, control.Backoff, control.Failing, control.Stopped:
	}
	return m, nil
}

// onChanged ends a wait: another program deserves an attempt of its own.
func (m Machine) onChanged(settled bool, now time.Time, l Limits) (Machine, []Effect) {
	if m.State != control.Backoff && m.State != control.Failing {
		return m, nil
	}
	if settled {
		m.Attempt = 0
	}
	return m.spawn(now, l)
}

// lost names the end of a process that was not asked to end.
func lost(s control.State, ev Event) control.Cause {
	switch {
	case s == control.Ready && ev.Cause != control.None:
		return ev.Cause
	case s == control.Ready && ev.Clean:
		return control.Finished
	}
	return control.Crash
}

func (m Machine) onDeadline(now time.Time, l Limits) (Machine, []Effect) {
	if m.Deadline.IsZero() || now.Before(m.Deadline) {
		return m, nil
	}
	switch m.State {
	case control.Starting:
		m.Cause = control.StartTimeout
		return m.signal(now, now.Add(l.Stop))
	case control.Draining:
		m, effects := m.signal(now, now.Add(killAfter))
		return m, append(effects, DoCount)
	case control.Stopping:
		if now.Before(m.StopBy) {
			m.Deadline = earlier(now.Add(resend), m.StopBy)
			return m, []Effect{DoSignal}
		}
		return m.Enter(control.Killing, now, now.Add(rekill)), []Effect{DoKill}
	case control.Killing:
		m.Deadline = now.Add(rekill)
		return m, []Effect{DoKill}
	case control.Backoff, control.Failing:
		return m.spawn(now, l)
	case control.Ready, control.Stopped:
	}
	return m, nil
}

// signal asks the process to stop, again and again until by.
func (m Machine) signal(now, by time.Time) (Machine, []Effect) {
	m.StopBy = by
	return m.Enter(control.Stopping, now, earlier(now.Add(resend), by)), []Effect{DoSignal}
}

func (m Machine) spawn(now time.Time, l Limits) (Machine, []Effect) {
	m.Spawned, m.Proven = now, false
	return m.Enter(control.Starting, now, now.Add(l.Start)), []Effect{DoSpawn}
}

// replace follows a process that had been ready: at once, unless it was so
// short that a loop of such would be a busy one.
func (m Machine) replace(now time.Time, l Limits) (Machine, []Effect) {
	if again := m.Spawned.Add(l.Pause); again.After(now) {
		return m.Enter(control.Backoff, now, again), nil
	}
	return m.spawn(now, l)
}

// failed follows an attempt that never became ready.
func (m Machine) failed(now time.Time, l Limits) (Machine, []Effect) {
	m.Attempt++
	wait := control.Backoff
	if m.Attempt >= FailingAfter {
		wait = control.Failing
	}
	return m.Enter(wait, now, now.Add(l.Delay(m.Attempt))), nil
}

// Enter changes the state, which ends by itself at the deadline.
func (m Machine) Enter(s control.State, now, deadline time.Time) Machine {
	m.State, m.Since, m.Deadline = s, now, deadline
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
