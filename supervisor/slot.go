package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// Pauses between checks of a starting worker: an eighth of its age, so that one that
// serves some requests and ends, as php-cgi does, is seen serving before.
const (
	firstCheck    = 2 * time.Millisecond
	slowestCheck  = 50 * time.Millisecond
	checkFraction = 8
	// askAfter is how long a worker polls something that cannot be told until it is asked by a probe.
	askAfter = 250 * time.Millisecond
)

// slot is one place in the pool: a machine and the process that it is about.
type slot struct {
	m      worker.Machine
	launch worker.Launch
	// generation is the instance's when the slot was made.
	generation int
	// proc is nil without a process; id is its number, never used again.
	proc worker.Process
	id   int
	exit worker.Exit
	// queue is watched from before the process begins until it is seen accepting.
	queue queueWatch
	// checkAt is when a starting worker is checked next, asked when it was last asked.
	checkAt time.Time
	asked   time.Time
	// unsureSince is since when each check of a starting worker found that it waits, or may
	// wait, for something that cannot be told; zero: the last one did not.
	unsureSince time.Time
	// restingSince is since when each check of a starting worker of a cold pool found it asleep.
	restingSince time.Time
	// spare is set for a replacement whose predecessor has not been told to go.
	spare bool
	// endGate ends the search for a moment to signal.
	endGate func()
	// released is set once the gate has let the stop signal through.
	released bool
	// why is the error behind the machine's cause, if there is one.
	why string
	// seen is what was seen of the process before it was ready.
	seen worker.Unready
	// stoppedSince is since when samples have found it stopped with a request; zero: they have not.
	stoppedSince time.Time
	// notAccepting counts the samples in a row that found it not accepting for too long.
	notAccepting int
	// evidence was taken before the process was killed.
	evidence []string
	// expiresAt is when max_age is over for this process, jitter included; zero: never.
	expiresAt time.Time
	// changes is about the last attempt.
	changes changeTracker
	// parent is the template that the process was forked from; nil: it was not.
	parent *loading
	// mayRetry: it was forked, or might have become a template, so that another one may do better.
	mayRetry bool
}

func (s *slot) pid() int {
	if s.proc == nil {
		return 0
	}
	return s.proc.PID()
}

// dispatch applies an event to a slot and performs its effects.
func (i *instance) dispatch(s *slot, ev worker.Event, now time.Time) {
	before, pid := s.m, s.pid()
	var effects []worker.Effect
	s.m, effects = worker.Step(s.m, ev, now, i.limits())
	i.noteUnready(s, before, ev)
	if before.Alive() && !s.m.Alive() || ev.Kind == worker.Exited {
		i.recordExit(s, before, now)
	}
	if s.m.State != before.State {
		i.logTransition(s, before, pid)
		if before.State == control.Draining && s.endGate != nil {
			s.endGate()
			s.endGate = nil
		}
		if s.m.State == control.Ready {
			i.onReady(s, now)
		}
		if s.isWaiting() {
			i.programAt = now
		}
		if before.State == control.Draining && ev.Kind == worker.Released {
			s.released = true
		}
		if s.m.State == control.Killing && ev.Kind == worker.Deadline {
			i.countKilled(s)
		}
	}
	for _, e := range effects {
		i.perform(s, e, now)
	}
}

func (i *instance) perform(s *slot, e worker.Effect, now time.Time) {
	switch e {
	case worker.DoSpawn:
		i.spawn(s, now)
	case worker.DoGate:
		ctx, cancel := context.WithCancel(context.Background())
		closed := make(chan struct{})
		s.endGate = func() { // returns when the group is not stopped any more
			cancel()
			<-closed
		}
		proc, id, sig := s.proc, s.id, s.launch.StopSignal
		go func() {
			signalled := proc.Release(ctx, sig)
			close(closed)
			if signalled {
				i.post(func(now time.Time) { i.dispatchIfCurrent(s, id, worker.Event{Kind: worker.Released}, now) })
			}
		}()
	case worker.DoSignal:
		i.signal(s, s.launch.StopSignal)
	case worker.DoKill:
		i.signal(s, syscall.SIGKILL)
	case worker.DoCount:
		i.cut++
		i.log.Warn("stop timeout: signalled while connections may be open", "pid", s.pid())
	}
}

// countKilled counts the requests' end of a worker that was released while it
// held none, ignored the signal and went on serving until KILL.
func (i *instance) countKilled(s *slot) {
	if s.released && s.proc.Observe().Held > 0 {
		i.cut++
		i.log.Warn("stop timeout: killed while connections are open", "pid", s.pid())
	}
}

func (i *instance) signal(s *slot, sig syscall.Signal) {
	if err := s.proc.Signal(sig); err != nil {
		i.log.Error("cannot signal a worker", "pid", s.pid(), "error", err)
	}
}

func (i *instance) spawn(s *slot, now time.Time) {
	i.spawns++
	s.id = i.spawns
	s.why, s.exit, s.evidence, s.released = "", worker.Exit{}, nil, false
	s.seen = worker.Unready{}
	s.expiresAt, s.stoppedSince, s.notAccepting = time.Time{}, time.Time{}, 0
	s.queue = queueWatch{}
	i.watchQueue(s)
	i.noteAttempt(s)
	i.started(s, now)(i.start(s, now))
}

// started takes a process that start has made into its slot, or why there is none.
func (i *instance) started(s *slot, now time.Time) func(worker.Process, error) {
	return func(proc worker.Process, err error) {
		if err != nil {
			s.why = err.Error()
			i.dispatch(s, worker.Event{Kind: worker.SpawnFailed}, now)
			return
		}
		s.proc = proc
		s.checkAt, s.asked, s.unsureSince, s.restingSince = now.Add(firstCheck), time.Time{}, time.Time{}, time.Time{}
	}
}

// onExit returns the function to call when the process number id of a slot has ended.
func (i *instance) onExit(s *slot, id int) func(e worker.Exit, left bool) {
	return func(e worker.Exit, left bool) {
		i.post(func(now time.Time) { i.handleExit(s, id, e, left, now) })
	}
}

// handleExit gives a slot the end of its process number id.
func (i *instance) handleExit(s *slot, id int, e worker.Exit, left bool, now time.Time) {
	if id == s.id {
		s.exit = e
	}
	if !left && e.Clean() && id == s.id && i.hasAccepted(s) {
		i.dispatchIfCurrent(s, id, worker.Event{Kind: worker.Ready}, now)
	}
	ev := worker.Event{Kind: worker.Exited, Clean: e.Clean()}
	if left {
		ev.Kind = worker.Orphaned
	}
	if id == s.id && !e.Sent() {
		ev.Cause = i.blame(s, ev.Clean, now)
	}
	i.dispatchIfCurrent(s, id, ev, now)
}

// hasAccepted reports whether a worker that has ended with status 0, before it was seen
// accepting, had accepted nevertheless: connections have left the queue since it
// began. A program may well serve one request and end, all in less time than lies
// between two checks. That a sibling took them is possible, and costs no more than
// an attempt at the pace of replacements.
func (i *instance) hasAccepted(s *slot) bool {
	if s.m.State != control.Starting {
		return false
	}
	i.watchQueue(s)
	return s.queue.found
}

// alone reports whether no other worker can take from the queue.
func (i *instance) alone(s *slot) bool {
	return !slices.ContainsFunc(i.slots, func(other *slot) bool { return other != s && other.m.Alive() })
}

// watchQueue observes who waits; where that cannot be read it observes nothing.
func (i *instance) watchQueue(s *slot) {
	if now, err := i.host.waiters(); err == nil {
		s.queue.observe(now)
	}
}

// dispatchIfCurrent is dispatch for news from another goroutine, which may be about a process that has ended.
func (i *instance) dispatchIfCurrent(s *slot, id int, ev worker.Event, now time.Time) {
	if id == s.id && s.m.Alive() {
		i.dispatch(s, ev, now)
	}
}

// recordExit updates the counters and the last failure for a process that has ended, or never started.
func (i *instance) recordExit(s *slot, before worker.Machine, now time.Time) {
	i.exits[s.m.Cause]++
	reason := ""
	if !before.Proven && (s.m.Cause == control.Crash || s.m.Cause == control.StartTimeout) {
		reason = i.whyUnready(s)
	}
	i.giveUpTemplate(s, before, now)
	if !before.Proven {
		i.settle()
		i.cold = cold{} // others may do better
		if pids := i.host.KillDaemonized(); len(pids) > 0 {
			i.log.Warn("killed what the worker left behind with its socket: the program must not become a daemon", "pids", pids)
		}
	}
	switch s.m.Cause {
	case control.Crash, control.SpawnError, control.StartTimeout, control.Probe, control.Stuck:
		f := &control.Failure{At: now, Cause: s.m.Cause, PID: s.pid(), Detail: s.why}
		if f.Detail == "" {
			f.Detail = s.exit.String()
		}
		if s.proc != nil {
			f.Output = s.proc.Lines()
		}
		f.Evidence = s.evidence
		if s.m.Cause == control.StartTimeout {
			f.Detail = "not ready within " + i.app.Limits.StartTimeout.String() + ", then " + s.exit.String()
		}
		if reason != "" {
			f.Detail += ": " + reason
		}
		f.Detail = control.Shown(f.Detail)
		if i.socket.broken == "" { // else that is the reason, also for what workers make of it
			i.failure = f
		}
		i.noteDenial(f.Detail, now)
	case control.None, control.Age, control.Memory, control.Operator, control.Reload, control.Idle, control.Scale, control.ListenSocket, control.Finished, control.Pinged:
	}
	s.proc = nil
}

func (i *instance) onReady(s *slot, now time.Time) {
	i.noteWorkerNotTemplate(s, now)
	i.settle()
	i.noteFirstReady(now)
	i.starts.Observe(now.Sub(s.m.Spawned))
	i.waiting = arrivals{}
	s.changes.changedAt, s.changes.holdTime, s.changes.gap = time.Time{}, 0, 0
	s.expiresAt = i.expiry(now)
	i.recycleAt = i.planRecycle(now)
	if i.probeAt.IsZero() {
		i.planProbe(now)
	}
}

func (i *instance) logTransition(s *slot, before worker.Machine, pid int) {
	level := slog.LevelInfo
	args := []any{"from", before.State, "to", s.m.State}
	if pid == 0 {
		pid = s.pid()
	}
	if pid != 0 {
		args = append(args, "pid", pid)
	}
	if s.m.Cause != control.None && s.m.State != control.Ready && (s.m.State != control.Starting || before.State != control.Stopped) {
		args = append(args, "cause", s.m.Cause)
	}
	switch s.m.State {
	case control.Backoff, control.Failing:
		level = slog.LevelWarn
		args = append(args, "attempt", s.m.Attempt, "next_in", s.m.Deadline.Sub(s.m.Since).Round(time.Millisecond))
		if i.failure != nil {
			args = append(args, "detail", i.failure.Detail)
		}
	case control.Killing:
		level = slog.LevelWarn
	case control.Starting, control.Ready, control.Draining, control.Stopping, control.Stopped:
	}
	i.log.Log(context.Background(), level, "worker", args...)
}

// checkReadiness finds out whether a starting worker accepts.
func (i *instance) checkReadiness(s *slot, now time.Time) {
	l := s.proc.Observe()
	i.watchQueue(s)
	switch {
	case l.Accepting || l.HasAccepted() || s.queue.found && i.alone(s):
		i.dispatch(s, worker.Event{Kind: worker.Ready}, now)
		return
	case l.Blocked || !l.Polling && l.Unknown == "": // one that execs, or reads its files from a slow disk, waits for nothing
		s.unsureSince = time.Time{}
	case s.unsureSince.IsZero():
		s.unsureSince = now
	case now.Sub(s.unsureSince) > askAfter && !i.reportsReady(s):
		i.ask(s, now)
	}
	i.noteSleep(s, now)
	s.checkAt = now.Add(min(max(now.Sub(s.m.Spawned)/checkFraction, firstCheck), slowestCheck))
}

// ask sends a probe where the kernel does not show readiness. With siblings on the socket
// any of them could answer, and a program that is not known to answer pings is not
// asked: then waiting for descriptors must do.
func (i *instance) ask(s *slot, now time.Time) {
	if l := len(i.slots); l > 1 || !i.mayAsk(s.launch) {
		i.dispatch(s, worker.Event{Kind: worker.Ready}, now)
		return
	}
	if now.Sub(s.asked) < i.app.Health.Timeout {
		return
	}
	s.asked = now
	id := s.id
	go func() {
		ctx, cancel := context.WithTimeout(i.ctx, i.app.Health.Timeout)
		defer cancel()
		if r := i.opt.Probe(ctx, i.app, i.in); r.Err == nil {
			i.post(func(now time.Time) { i.dispatchIfCurrent(s, id, worker.Event{Kind: worker.Ready}, now) })
		}
	}()
}
