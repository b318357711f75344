package supervisor

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

const (
	// trialDelay is how long after readiness a first ping is tried, and tried again
	// while requests are served: a program that dies of it must not take one along.
	trialDelay = time.Second
)

// pinged is what a verdict is about: a program as it is configured, with the
// socket that is asked. The same command over another file is the same program:
// only a changed configuration, or a reboot, tries again.
type pinged struct {
	launch  worker.Launch
	address fcgisup.Listen
}

func (p pinged) equal(o pinged) bool { return p.address == o.address && p.launch.Equal(o.launch) }

// pingBook is what the instances of a process know about pings: what one has
// tried none of the others tries. Safe for concurrent use.
type pingBook struct {
	// record outlives the process.
	record pingRecord

	mu      sync.Mutex
	entries []pingEntry // the newest last
}

type pingEntry struct {
	of      pinged
	verdict control.PingVerdict
	// by is the instance that is trying.
	by *instance
}

// maxPinged programs are remembered: of a reload under way there are two.
const maxPinged = 4

// entry finds that of a program, and makes it. The caller holds b.mu.
func (b *pingBook) entry(of pinged) *pingEntry {
	if n := slices.IndexFunc(b.entries, func(e pingEntry) bool { return e.of.equal(of) }); n >= 0 {
		return &b.entries[n]
	}
	if len(b.entries) == maxPinged {
		b.entries = slices.Delete(b.entries, 0, 1)
	}
	e := pingEntry{of: of}
	if b.record.has(of) {
		e.verdict = control.PingNone
	}
	b.entries = append(b.entries, e)
	return &b.entries[len(b.entries)-1]
}

func (b *pingBook) verdict(of pinged) control.PingVerdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entry(of).verdict
}

// begin makes i the one that tries; false if another does, or the verdict is known.
func (b *pingBook) begin(of pinged, i *instance) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(of)
	if e.verdict != control.PingUntried || e.by != nil && e.by != i {
		return false
	}
	e.by = i
	return true
}

// conclude ends a trial; PingUntried leaves the next one to the instance that comes first. An
// error says that a new supervisor will try again.
func (b *pingBook) conclude(of pinged, v control.PingVerdict) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(of)
	e.verdict, e.by = v, nil
	if v != control.PingNone {
		return nil
	}
	return b.record.add(of)
}

// pingTrial is a first ping, from when it is sent until deaths are no longer its doing.
type pingTrial struct {
	of pinged
	// verdict is what came of it, if answered is set.
	verdict  control.PingVerdict
	answered bool
	// until is when that stands, and deaths are not attributed any more.
	until time.Time
	// holder is the worker that was seen to have taken it, 0 if none was.
	holder int
	// died is set once a death has been attributed.
	died bool
}

// blames reports whether the end of a worker is put down to the ping: once, and of
// the worker that has taken it where that was seen. One that has answered and
// ends with status 0, as php-cgi does every 500 requests, ends of itself.
func (t *pingTrial) blames(worker int, clean bool, now time.Time) bool {
	switch {
	case t == nil, t.died, t.answered && now.After(t.until):
		return false
	case t.answered && t.verdict == control.PingAnswers && clean:
		return false
	}
	return t.holder == 0 || t.holder == worker
}

// pings reports whether the instance is asked by pings, and not by requests.
func (i *instance) pings() bool { return i.app.Health.Path == "" }

// pinged is what the instance's verdict is about.
func (i *instance) pinged() pinged { return pinged{i.launch, i.app.Health.Address} }

// pingVerdict is what is known of the program; that of requests is PingAnswers.
func (i *instance) pingVerdict() control.PingVerdict { return i.common.pings.verdict(i.pinged()) }

// mayAsk reports whether a worker started like this may be sent a probe.
func (i *instance) mayAsk(l worker.Launch) bool {
	return !i.pings() || i.common.pings.verdict(pinged{l, i.app.Health.Address}) == control.PingAnswers
}

// hasOtherPrograms reports whether a worker lives that was started otherwise than new ones
// are and is not known to answer: whom a ping would meet is not known.
func (i *instance) hasOtherPrograms() bool {
	return slices.ContainsFunc(i.slots, func(s *slot) bool {
		return s.m.Alive() && !s.launch.Equal(i.launch) && !i.mayAsk(s.launch)
	})
}

// planProbe says when the next probe is due, from a moment at which workers may
// have become ready, or the configuration another.
func (i *instance) planProbe(now time.Time) {
	i.probeAt = time.Time{}
	if i.probe != nil && i.probe.Ping != control.PingUntried && (!i.pings() || i.pingVerdict() != i.probe.Ping) {
		i.probe = nil // it is about another program
	}
	interval := i.app.Health.Interval
	if interval == 0 || !i.ready() {
		return
	}
	if !i.pings() {
		i.probeAt = now.Add(interval)
		return
	}
	switch i.pingVerdict() {
	case control.PingAnswers:
		i.probeAt = now.Add(interval)
	case control.PingUntried:
		i.probeAt = now.Add(min(interval, trialDelay))
	case control.PingNone:
		if i.probe == nil || i.probe.Ping != control.PingNone {
			i.probe = &control.ProbeStatus{At: now, OK: true, Skipped: control.AnswersNoPing, Ping: control.PingNone}
		}
	}
}

// tryPing tries a first ping while the instance serves no client.
func (i *instance) tryPing(now time.Time) {
	i.probeAt = now.Add(trialDelay)
	if i.trial != nil || i.roll != nil || i.hasOtherPrograms() || !i.ready() || !i.isQuiet(now) || !i.common.pings.begin(i.pinged(), i) {
		return
	}
	t := &pingTrial{of: i.pinged()}
	i.trial = t
	i.sendProbe(now, min(i.app.Health.Timeout, control.FirstPingTimeout), func(now time.Time, r control.ProbeResult, took time.Duration) {
		if errors.Is(r.Err, fs.ErrPermission) {
			t.answered = true
			i.endTrial(now)
			i.recordProbe(now, control.ProbeStatus{At: now, OK: true, Skipped: control.ProbeDenied, Class: r.Class, Error: r.Err.Error()})
			return
		}
		i.probings.Observe(took)
		i.observe(now, now)
		served := 0
		for _, c := range i.board.Requests {
			if !c.Gone {
				served++
			}
		}
		t.verdict, t.answered, t.until = control.JudgePing(r, served, i.board.Queue.Length), true, now.Add(control.PingDeath)
		if t.verdict == control.PingUntried && !t.died {
			i.endTrial(now)
		}
	})
	i.sampleAt = now // who takes it?
}

// isQuiet reports whether no client is served and none waits, as far as that can be known.
// A kept connection holds its worker, so that a ping may wait behind it.
func (i *instance) isQuiet(now time.Time) bool {
	i.observe(now, now)
	return len(i.board.Requests)+len(i.board.Kept) == 0 && i.board.Queue.Length == 0
}

// noteTrialHolder notes which worker has taken the ping of a trial.
func (i *instance) noteTrialHolder() {
	if i.trial == nil || i.trial.answered || i.trial.holder != 0 {
		return
	}
	n := slices.IndexFunc(i.board.Requests, func(r scoreboard.Request) bool { return i.fromProbe(r.Since) && len(r.Workers) == 1 })
	if n >= 0 && len(i.board.Requests) == 1 {
		i.trial.holder = i.board.Requests[n].Workers[0]
	}
}

// blame returns the cause of the end of a worker that a ping has ended.
func (i *instance) blame(s *slot, clean bool, now time.Time) control.Cause {
	if s.m.State != control.Ready || i.diedElsewhere(s, now) {
		return control.None
	}
	if i.diedOfLaterPing(s, clean, now) {
		i.log.Warn("a worker ended at a ping, although the program has answered one: the next is tried as a first one is")
		_ = i.common.pings.conclude(i.pinged(), control.PingUntried)
		return control.Pinged
	}
	if !i.trial.blames(s.id, clean, now) || !s.launch.Equal(i.trial.of.launch) {
		return control.None
	}
	i.trial.died = true
	return control.Pinged
}

// diedElsewhere reports whether a worker that has ended cannot have had the ping: it served a client's request that came
// before, or the ping still waits, for that worker's connections have ended with it.
func (i *instance) diedElsewhere(s *slot, now time.Time) bool {
	if !i.probing || !i.app.Health.Address.IsZero() {
		return false
	}
	served := func(r scoreboard.Request) bool {
		return !r.Gone && r.Since.Before(i.probeBegin) && slices.Contains(r.Workers, s.id)
	}
	if slices.ContainsFunc(i.board.Requests, served) {
		return true
	}
	i.observe(now, now)
	return slices.ContainsFunc(i.board.Requests, func(r scoreboard.Request) bool { return !r.Gone && i.fromProbe(r.Since) }) ||
		slices.ContainsFunc(i.board.Waiting, func(w scoreboard.Waiting) bool { return !w.Gone && i.fromProbe(w.Since) })
}

// diedOfLaterPing reports whether a worker ends at a ping that is not answered, of a
// program that has answered pings. Its file may have been replaced since: the next
// ping decides, as after a start, so this is put down to pings only once.
func (i *instance) diedOfLaterPing(s *slot, clean bool, now time.Time) bool {
	if i.trial != nil || clean || !i.pings() || i.pingVerdict() != control.PingAnswers || !s.launch.Equal(i.launch) {
		return false
	}
	return i.probing || i.probe != nil && !i.probe.OK && !i.probe.At.Before(i.probeBegin) && now.Sub(i.probeBegin) <= control.PingDeath
}

// trialPolicy ends a trial when its time is over.
type trialPolicy struct{ *instance }

func (p trialPolicy) next() time.Time {
	if p.phase == phaseLeaving || p.trial == nil || !p.trial.answered {
		return time.Time{}
	}
	return p.trial.until
}

func (p trialPolicy) run(now time.Time) { p.endTrial(now) }

// endTrial keeps what came of a trial, for all instances.
func (i *instance) endTrial(now time.Time) {
	t := i.trial
	i.trial = nil
	if t.died {
		t.verdict = control.PingNone
	}
	if err := i.common.pings.conclude(t.of, t.verdict); err != nil {
		i.log.Info("cannot record that the program answers no ping; the next supervisor tries another", "error", err)
	}
	if t.verdict == control.PingNone {
		i.freeFromTrial(now)
	}
	switch {
	case t.died:
		i.log.Warn("a worker ended at the first ping: the program is not pinged again; health.path would probe it with a request")
	case t.verdict == control.PingNone:
		i.log.Info("the program answers no ping and is not pinged again; health.path would probe it with a request")
	case t.verdict == control.PingAnswers && t.of.equal(i.pinged()) && i.pings():
		i.recordProbe(now, control.ProbeStatus{At: now, OK: true, Ping: control.PingAnswers})
	}
	i.planProbe(now)
}

// freeFromTrial replaces a worker that still sits on a ping whose client, we, has
// gone: we have made it so.
func (i *instance) freeFromTrial(now time.Time) {
	i.observe(now, now)
	for _, s := range i.slots {
		ours := func(r scoreboard.Request) bool {
			return r.Gone && i.fromProbe(r.Since) && slices.Contains(r.Workers, s.id)
		}
		if s.m.State == control.Ready && !i.serves(s) && slices.ContainsFunc(i.board.Requests, ours) && !s.proc.Accepts() {
			i.dispatch(s, worker.Event{Kind: worker.Unhealthy, Cause: control.Pinged}, now)
		}
	}
}

// sendProbe asks the instance once; then gets the result in the instance's
// goroutine, unless that is ending.
func (i *instance) sendProbe(now time.Time, limit time.Duration, then func(now time.Time, r control.ProbeResult, took time.Duration)) {
	i.probing, i.probeBegin = true, now
	app := i.app
	go func() {
		ctx, cancel := context.WithTimeout(i.ctx, limit)
		defer cancel()
		begin := time.Now()
		r := i.opt.Probe(ctx, app, i.in)
		took := time.Since(begin)
		i.post(func(now time.Time) {
			i.probing, i.probeEnd = false, now
			if i.phase == phaseAwake && i.sampleAt.IsZero() {
				i.sampleAt = now.Add(busyEvery) // what the worker has written for it is not the answer to a later request
			}
			if i.ctx.Err() == nil && i.phase != phaseLeaving {
				then(now, r, took)
			}
		})
	}()
}
