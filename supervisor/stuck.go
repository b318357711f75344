package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// checkStuck finds the stuck: workers that serve one request for longer than
// request_timeout, workers that do not accept although they hold nothing, and
// workers that were stopped with a request.
func (i *instance) checkStuck(now time.Time) {
	for _, s := range i.slots {
		if s.m.State != control.Ready {
			continue
		}
		v := i.view(s)
		for _, verdict := range []func(*slot, scoreboard.WorkerView, time.Time) string{i.overRequestTimeout, i.notAccepting, i.stoppedBySignal} {
			if why := verdict(s, v, now); why != "" {
				i.markStuck(s, why, now)
				break
			}
		}
	}
}

// overRequestTimeout reports whether a request has taken too long. A connection from which
// its worker waits to read is not a request but a connection kept alive, or an upload that
// does not come: it costs its worker only if others wait for it.
func (i *instance) overRequestTimeout(s *slot, v scoreboard.WorkerView, now time.Time) string {
	limit := i.app.Limits.RequestTimeout
	if why := i.holdsOnlyKept(v, limit, now); why != "" {
		return why
	}
	if limit == 0 || v.Oldest.IsZero() || now.Sub(v.Oldest) < limit {
		return ""
	}
	resting := s.proc.Resting()
	waiting := i.board.QueuedSince
	for _, r := range i.board.Requests {
		if now.Sub(r.Since) < limit || !slices.Contains(r.Workers, s.id) {
			continue
		}
		if resting[r.Inode] && (waiting.IsZero() || now.Sub(waiting) < limit) {
			continue
		}
		return fmt.Sprintf("one request for %s, request_timeout is %s", now.Sub(r.Since).Round(time.Millisecond), limit)
	}
	return ""
}

// holdsOnlyKept says that a worker holds nothing but kept connections, while others have waited for request_timeout: it would
// serve none of them before its client lets go.
func (i *instance) holdsOnlyKept(v scoreboard.WorkerView, limit time.Duration, now time.Time) string {
	waiting := i.board.QueuedSince
	if limit == 0 || v.Activity != scoreboard.OnlyKept || waiting.IsZero() || now.Sub(waiting) < limit {
		return ""
	}
	if !slices.ContainsFunc(i.board.Waiting, func(w scoreboard.Waiting) bool { return !w.Gone && !i.fromProbe(w.Since) }) {
		return "" // only a probe of ours waits, or clients that have left
	}
	return fmt.Sprintf("holds an idle kept connection although others have waited for %s, request_timeout is %s", now.Sub(waiting).Round(time.Millisecond), limit)
}

// notAccepting reports whether connections wait although the worker holds none and
// does not accept. A program may well work on after it has answered, so this
// takes as long as it takes probes to call a worker unhealthy, counted from when it was ready, and as many samples in a row;
// and while memory is short it may wait for its own pages, so then it is left to the probes.
func (i *instance) notAccepting(s *slot, v scoreboard.WorkerView, now time.Time) string {
	limit := i.unresponsiveLimit()
	waiting := i.board.QueuedSince
	if limit == 0 || waiting.IsZero() || now.Sub(waiting) < limit || v.Activity != scoreboard.Idle || now.Sub(v.Since) < limit || now.Sub(s.m.Since) < limit {
		s.notAccepting = 0
		return ""
	}
	if l := s.proc.Observe(); l.Accepting || l.Polling || l.HasAccepted() || l.Unknown != "" || i.host.pressed() {
		s.notAccepting = 0
		return ""
	}
	// What samples saw long ago proves nothing if the supervisor itself has not run since.
	if s.notAccepting++; s.notAccepting < i.app.Health.Failures {
		return ""
	}
	return fmt.Sprintf("does not accept although connections have waited for %s", now.Sub(waiting).Round(time.Millisecond))
}

// stoppedBySignal reports whether a signal has stopped the worker, and no process wakes it:
// it holds a request, but serves none. Had it been stopped a moment before it
// accepted, probes would have found it after the same time.
func (i *instance) stoppedBySignal(s *slot, v scoreboard.WorkerView, now time.Time) string {
	limit := i.unresponsiveLimit()
	if limit == 0 || v.Oldest.IsZero() || now.Sub(v.Oldest) < limit || !s.proc.Suspended() {
		s.stoppedSince = time.Time{}
		return ""
	}
	if s.stoppedSince.IsZero() {
		s.stoppedSince = now
	}
	if now.Sub(s.stoppedSince) < limit {
		return ""
	}
	return fmt.Sprintf("stopped by a signal, with a request, for %s at least", now.Sub(s.stoppedSince).Round(time.Millisecond))
}

// unresponsiveLimit is how long a worker may seem dead before it counts as dead; 0: for ever.
func (i *instance) unresponsiveLimit() time.Duration {
	return i.app.Health.Interval * time.Duration(i.app.Health.Failures)
}

// markStuck takes the evidence first: it goes with the process.
func (i *instance) markStuck(s *slot, why string, now time.Time) {
	s.why = why
	s.evidence = s.proc.Evidence()
	i.log.Warn("worker is stuck", "pid", s.pid(), "detail", why, "evidence", s.evidence)
	i.dispatch(s, worker.Event{Kind: worker.Unhealthy, Cause: control.Stuck}, now)
}
