package supervisor

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// health is what probes have said.
type health struct {
	probe *control.ProbeStatus // the last
	// probeAt is when the next is due, probing tells that one is under way;
	// probeBegin and probeEnd are of the last.
	probeAt              time.Time
	probing              bool
	probeBegin, probeEnd time.Time
	// trial is a first ping, nil if none is under way.
	trial *pingTrial
}

const (
	// probeLag is how late the kernel may show what our probe did.
	probeLag = 100 * time.Millisecond
	// probeCloseLag is how late a worker may close the connection of an answered probe.
	probeCloseLag = 2 * time.Second
)

// fromProbe reports whether a connection that came at this time was probably ours.
func (i *instance) fromProbe(came time.Time) bool {
	return !came.Before(i.probeBegin) && (i.probing || came.Sub(i.probeEnd) < probeLag)
}

// ownProbeConns is how many of the connections in the last sample are our own
// probe's, and so no client's request: one while it is under way, and for a while
// after it one that came with it and whose client has gone, which its worker, on a
// busy machine, has not closed yet.
func (i *instance) ownProbeConns(now time.Time) int {
	since := now.Sub(i.probeEnd)
	if i.probing || since < probeLag {
		return 1
	}
	ours := func(r scoreboard.Request) bool { return r.Gone && i.fromProbe(r.Since) }
	if since < probeCloseLag && slices.ContainsFunc(i.board.Requests, ours) {
		return 1
	}
	return 0
}

// probePolicy sends the probe that is due, unless it would wait behind real requests.
type probePolicy struct{ *instance }

func (p probePolicy) next() time.Time {
	if p.phase == phaseLeaving || p.probing {
		return time.Time{}
	}
	return p.probeAt
}

func (p probePolicy) run(now time.Time) {
	i, h := p.instance, p.app.Health
	if h.Interval == 0 || !i.ready() {
		i.probeAt = time.Time{} // onReady sets it again
		return
	}
	if i.pings() {
		switch i.pingVerdict() {
		case control.PingUntried:
			i.tryPing(now)
			return
		case control.PingNone: // another instance has tried
			i.planProbe(now)
			return
		case control.PingAnswers:
			if i.hasOtherPrograms() {
				i.probeAt = now.Add(trialDelay)
				return
			}
		}
	}
	if h.Address.IsZero() && !i.anyIdle(now) {
		skipped := control.ProbeStatus{At: now, OK: true, Skipped: "every worker is serving a request"}
		if i.pings() {
			skipped.Ping = control.PingAnswers
		}
		i.recordProbe(now, skipped)
		return
	}
	i.sendProbe(now, h.Timeout, i.handleProbeResult)
}

// anyIdle reports whether some ready worker would serve the next request, or should;
// true where that cannot be known. One whose clients have all gone serves none:
// if it hangs, only a probe can tell. One that serves a client is asked whether it
// accepts nevertheless, as those with threads do. While samples are due the last one
// is new enough, and once they have stopped nothing has come since.
func (i *instance) anyIdle(now time.Time) bool {
	if i.sampleAt.IsZero() && !i.watching || i.board.At.IsZero() {
		i.observe(now, now.Add(-listAge))
	}
	ready := slices.DeleteFunc(slices.Clone(i.slots), func(s *slot) bool { return s.m.State != control.Ready })
	if slices.ContainsFunc(ready, func(s *slot) bool { return !i.serves(s) }) {
		return true
	}
	return slices.ContainsFunc(ready, func(s *slot) bool { return s.proc.Accepts() })
}

// serves reports whether a client waits for an answer of the worker, or keeps a
// connection to it.
func (i *instance) serves(s *slot) bool {
	waits := func(r scoreboard.Request) bool { return !r.Gone && slices.Contains(r.Workers, s.id) }
	return slices.ContainsFunc(i.board.Requests, waits) || slices.ContainsFunc(i.board.Kept, waits)
}

// handleProbeResult turns a probe's result into a verdict. The kernel comes first: a worker
// that serves a client is busy, not dead.
func (i *instance) handleProbeResult(now time.Time, r control.ProbeResult, took time.Duration) {
	i.probings.Observe(took)
	p := control.ProbeStatus{At: now, OK: r.Err == nil, Status: r.Status, DurationSeconds: took.Seconds()}
	if i.pings() {
		p.Ping = control.PingAnswers
	}
	if errors.Is(r.Err, fs.ErrPermission) { // the socket's owner and mode keep us out, and say nothing of a worker
		p.OK, p.Skipped, p.Class, p.Error = true, control.ProbeDenied, r.Class, r.Err.Error()
		i.recordProbe(now, p)
		return
	}
	if r.Err != nil {
		p.Class, p.Error, p.Answer = r.Class, r.Err.Error(), fcgisup.Printable(string(r.Answer))
		i.probeFail[r.Class]++
		if (r.Class == fcgisup.ProbeTimeout || r.Class == fcgisup.ProbeFull) && len(i.unresponsiveWorkers()) == 0 {
			p.OK, p.Skipped = true, "it waited behind requests that are being served"
		}
	}
	i.recordProbe(now, p)
	if p.OK {
		return
	}
	i.log.Warn("probe failed", "class", p.Class, "error", p.Error, "failures", i.probe.Failures)
	if i.probe.Failures >= i.app.Health.Failures {
		i.markUnhealthy(now)
	}
}

// recordProbe records a probe and plans the next.
func (i *instance) recordProbe(now time.Time, p control.ProbeStatus) {
	if !p.OK {
		p.Failures = 1
		if i.probe != nil {
			p.Failures += i.probe.Failures
		}
	}
	p.Error = control.Shown(p.Error)
	i.probe = &p
	i.probeAt = now.Add(i.app.Health.Interval)
}

// unresponsiveWorkers are the ready workers that do not serve anybody and yet let a probe
// time out: those that hold a connection whose client (the probe) has gone, else
// those that hold none.
func (i *instance) unresponsiveWorkers() []*slot {
	var orphaned, free []*slot
	for _, s := range i.slots {
		if s.m.State != control.Ready {
			continue
		}
		switch l := s.proc.Observe(); {
		case l.Held > 0:
		case l.Orphans > 0:
			orphaned = append(orphaned, s)
		default:
			free = append(free, s)
		}
	}
	if len(orphaned) > 0 {
		return orphaned
	}
	return free
}

// markUnhealthy acts on too many failures in a row. What does not answer is stopped
// and, if need be, killed. What answers wrong still serves, so it is replaced as
// gently as by a restart; on a shared socket it may be any worker, so all are.
func (i *instance) markUnhealthy(now time.Time) {
	last := *i.probe
	last.Failures = 0
	i.probe = &last
	if last.Class != fcgisup.ProbeTimeout && last.Class != fcgisup.ProbeFull {
		if i.roll == nil {
			i.beginRoll(control.Probe, i.app, i.launch, make(chan error, 1), now)
		}
		return
	}
	for _, s := range i.unresponsiveWorkers() {
		s.why = string(last.Class) + ": " + last.Error
		s.evidence = s.proc.Evidence()
		i.dispatch(s, worker.Event{Kind: worker.Unhealthy, Cause: control.Probe}, now)
	}
}
