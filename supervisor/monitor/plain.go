package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// skipsInARow is how often a probe may give way to real requests before one
	// is sent anyway: with several workers it does get an answer.
	skipsInARow = 5
	// restartPause after a restart that did not help, doubled with each, up to
	// restartPauseMost: a restart interrupts the client that is served.
	restartPause     = 30 * time.Second
	restartPauseMost = 10 * time.Minute
	// restartMargin is what systemd gets beyond the service's own times to restart it.
	restartMargin = 30 * time.Second
)

// plain is what the monitor knows of an instance that systemd runs itself.
type plain struct {
	probe *control.ProbeStatus
	// bad is why it is down: too many failed probes in a row, and no good one since.
	bad      string
	restarts uint64

	asked bool      // a probe, or a restart, is under way
	next  time.Time // when the next probe is due
	skips int       // probes in a row that gave way
	good  time.Time // the last good probe
	last  Service   // at the last probe
	// since is when a connection was first seen being served. A probe under way reads
	// it, so that it is replaced, never changed.
	since map[uint64]time.Time

	unhelped  int       // restarts in a row without a good probe since
	restartAt time.Time // not before
	deferred  time.Time // since when a restart waits for requests to end
}

// probing is one probe of a plain instance, with what was known around it.
type probing struct {
	app fcgisup.App
	in  fcgisup.Instance
	// skips is how often in a row a probe has given way, since when a connection was
	// first seen being served.
	skips int
	since map[uint64]time.Time
	// pings tells that a probe is a ping, trial that it is the program's first; verdict
	// is what is known of the program and pings.
	pings, trial bool
	verdict      control.PingVerdict
	// standing tells that connections wait and no client is served.
	standing bool
	// service is what systemd said right before.
	service Service
	// asleep tells that it did not run any more: nothing was sent.
	asleep bool
	// traffic is that before a probe, or after one that failed; unseen is why there is none.
	traffic Traffic
	unseen  error
	sent    bool
	result  control.ProbeResult
	took    time.Duration
}

// probePlains probes the plain instances whose service runs and whose probe is
// due. A sleeping one would be woken by it.
func (m *Monitor) probePlains(ctx context.Context, now time.Time) {
	var due []*probing
	for _, app := range m.apps {
		if app.Systemd.Supervise {
			continue
		}
		for _, in := range app.Expand() {
			p := m.plain(in)
			_, name := m.opt.UnitNames(in)
			service := m.units.all[name]
			switch {
			case p.asked:
			case service.inactive(), app.Health.Interval == 0:
				p.rest()
			case service.up() && !now.Before(p.next):
				g := &probing{app: app, in: in, skips: p.skips, since: p.since, verdict: control.PingAnswers}
				if k := m.pinged(app); k != nil {
					g.pings, g.verdict = true, k.verdict
					if g.trial = k.verdict == control.PingUntried && !k.trying; g.trial {
						k.trying = true
					}
				}
				p.asked = true
				due = append(due, g)
			}
		}
	}
	go through(ctx, m.asking.probes, due, func(g *probing) {
		g.send(ctx, m.opt)
		m.post(func() {
			m.judgePlain(ctx, g, time.Now())
			m.due(latePause)
		})
	})
}

func (m *Monitor) plain(in fcgisup.Instance) *plain {
	key := bare(in)
	p := m.plains[key]
	if p == nil {
		p = &plain{}
		m.plains[key] = p
	}
	return p
}

// rest forgets what was found while it ran.
func (p *plain) rest() {
	p.probe, p.bad, p.skips, p.deferred, p.since = nil, "", 0, time.Time{}, nil
}

// send probes unless that would wake a service, which may have ended since the
// units were listed, or wait behind real requests.
func (g *probing) send(ctx context.Context, opt Options) {
	_, name := opt.UnitNames(g.in)
	var err error
	if g.service, err = opt.Units.Service(ctx, name); err != nil || !g.service.up() {
		g.asleep = true
		return
	}
	g.traffic, g.unseen = opt.Traffic(g.in.Address, g.service.PID, false)
	if oldest, _ := aged(g.traffic, g.since); g.overdue(oldest) { // recently; it may have ended
		g.traffic, g.unseen = opt.Traffic(g.in.Address, g.service.PID, true)
	}
	if g.verdict != control.PingAnswers {
		if g.trial {
			g.try(ctx, opt)
		} else {
			g.standing = g.stands(ctx, opt)
		}
		return
	}
	apart := !g.app.Health.Address.IsZero() // a probe that waits behind no request
	if g.unseen == nil && len(g.traffic.Serving) > 0 && g.skips < skipsInARow && !apart {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, g.app.Health.Timeout)
	defer cancel()
	begun := time.Now()
	g.result = opt.Probe(ctx, g.app, g.in)
	g.took, g.sent = time.Since(begun), true
	if g.result.Err != nil {
		g.traffic, g.unseen = opt.Traffic(g.in.Address, g.service.PID, true)
	}
}

// overdue reports whether a request of that age is one too long.
func (g *probing) overdue(age time.Duration) bool {
	limit := g.app.Limits.RequestTimeout
	return limit > 0 && age >= limit
}

// probed reports whether an instance is one that is configured, without a supervisor.
func (m *Monitor) probed(in fcgisup.Instance) bool {
	return slices.ContainsFunc(m.apps, func(a fcgisup.App) bool {
		return a.Name == in.App && in.Number <= a.Instances && !a.Systemd.Supervise
	})
}

// judgePlain takes a probe's result and acts on too many failures in a row. A
// reload may have come in between.
func (m *Monitor) judgePlain(ctx context.Context, g *probing, now time.Time) {
	if g.trial {
		k := m.pinged(g.app)
		k.trying = false
		if !g.asleep && ctx.Err() == nil {
			k.verdict = g.verdict
		}
	}
	if !m.probed(g.in) {
		return
	}
	p := m.plain(g.in)
	p.asked, p.next = false, now.Add(g.app.Health.Interval)
	if g.asleep || ctx.Err() != nil {
		return
	}
	if why := p.take(g, now); why != "" {
		m.heal(ctx, p, g, why, now)
	}
}

// take notes a probe and returns why the service is to be restarted, if it is.
func (p *plain) take(g *probing, now time.Time) string {
	status := control.ProbeStatus{At: now, OK: true, Status: g.result.Status, DurationSeconds: g.took.Seconds()}
	crashed := g.service.Restarts > p.last.Restarts && !p.last.Began.IsZero()
	if p.probe != nil && (crashed || g.service.Began.Equal(p.last.Began)) {
		status.Failures = p.probe.Failures
	}
	p.last = g.service
	var oldest time.Duration
	oldest, p.since = aged(g.traffic, p.since)
	if g.pings {
		status.Ping = g.verdict
	}
	p.probe = &status
	switch excuse := g.excuse(p, now); {
	case g.overdue(oldest):
		p.bad = fmt.Sprintf("one request for %s, request_timeout is %s", oldest.Round(time.Second), g.app.Limits.RequestTimeout)
		return p.bad
	case g.standing:
		g.result = control.ProbeResult{Class: fcgisup.ProbeTimeout, Err: errStanding}
	case g.trial || g.verdict != control.PingAnswers:
		p.takeTrial(g, now)
		return ""
	case !g.sent:
		p.skips++
		status.Skipped = "it is serving"
		return ""
	case g.result.Err == nil:
		*p = plain{probe: &status, restarts: p.restarts, next: p.next, good: now, last: p.last, since: p.since}
		status.Failures = 0
		return ""
	case excuse != "" && !crashed:
		p.skips = 0
		status.Skipped, status.Class, status.Error = excuse, g.result.Class, foreign(g.result.Err.Error())
		return ""
	}
	p.skips = 0
	status.OK, status.Class, status.Error = false, g.result.Class, foreign(g.result.Err.Error())
	status.Failures++
	if crashed && g.service.Restarts > 0 {
		status.Error = "its process has ended: " + status.Error
	}
	if status.Failures < g.app.Health.Failures {
		return ""
	}
	p.bad = "probes fail: " + status.Error
	if crashed || slices.Contains([]fcgisup.ProbeClass{fcgisup.ProbeRefused, fcgisup.ProbeMissing}, g.result.Class) {
		return "" // systemd restarts it already; or it is its socket's fault
	}
	return p.bad
}

// excuse tells why a failed probe says nothing of the service.
func (g *probing) excuse(p *plain, now time.Time) string {
	full := g.result.Class == fcgisup.ProbeTimeout || g.result.Class == fcgisup.ProbeFull
	switch {
	case g.result.Err == nil:
		return ""
	case errors.Is(g.result.Err, fs.ErrPermission):
		return "the monitor may not connect"
	case g.result.Class == fcgisup.ProbeOverloaded:
		return "it says that it is overloaded"
	case full && g.unseen != nil:
		return "whether it is busy cannot be known: " + foreign(g.unseen.Error())
	case full && len(g.traffic.Serving) > 0:
		return "it waited behind requests that are being served"
	case p.good.Before(g.service.Began) && now.Sub(g.service.Began) < g.app.Limits.StartTimeout:
		return "it has only begun"
	}
	return ""
}

// aged is the age of the oldest request being served, at the time of the look, and
// since when each is known.
func aged(t Traffic, since map[uint64]time.Time) (oldest time.Duration, seen map[uint64]time.Time) {
	seen = make(map[uint64]time.Time, len(t.Serving))
	for _, c := range t.Serving {
		at, ok := since[c]
		if !ok {
			at = t.At
		}
		seen[c] = at
		oldest = max(oldest, t.At.Sub(at))
	}
	return oldest, seen
}

// heal restarts an unhealthy service, but not again and again at once, and not
// while it serves: what answers wrong may answer others.
func (m *Monitor) heal(ctx context.Context, p *plain, g *probing, why string, now time.Time) {
	if now.Before(p.restartAt) {
		return
	}
	if stuck := g.app.Limits.RequestTimeout > 0 && !g.sent; len(g.traffic.Serving) > 0 && !stuck {
		if p.deferred.IsZero() {
			p.deferred = now
		}
		if now.Sub(p.deferred) < g.app.Limits.StopTimeout {
			return
		}
	}
	p.deferred = time.Time{}
	p.restartAt = now.Add(min(restartPause<<min(p.unhelped, 10), restartPauseMost))
	p.unhelped++
	p.restarts++
	p.asked = true
	p.probe.Failures = 0
	go m.restart(ctx, g, why)
}

// restart takes the evidence first: it goes with the process.
func (m *Monitor) restart(ctx context.Context, g *probing, why string) {
	_, name := m.opt.UnitNames(g.in)
	log := m.opt.Log.With("instance", g.in.String(), "unit", name)
	log.Warn("restarting an unhealthy service", "why", why, "queue", g.traffic.Queue, "serving", len(g.traffic.Serving),
		"orphaned", g.traffic.Orphaned, "evidence", m.opt.Evidence(g.service.PID))
	ctx, cancel := context.WithTimeout(ctx, g.app.Limits.StopTimeout+g.app.Limits.StartTimeout+restartMargin)
	defer cancel()
	if err := m.opt.Units.TryRestart(ctx, name); err != nil {
		log.Error("the restart failed", "error", err)
	} else {
		log.Info("restarted")
	}
	m.post(func() {
		if !m.probed(g.in) {
			return
		}
		p := m.plain(g.in)
		p.asked, p.next = false, time.Now()
	})
}
