package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// plainPing is what is known of a plain app's program and pings, see
// [control.PingVerdict]: one that does not answer may die of the question. It
// is kept in memory, for the program as it is configured; a monitor that has just
// begun tries one ping.
type plainPing struct {
	verdict control.PingVerdict
	// trying is set while a first ping is under way at one of the app's instances.
	trying bool
}

// pingedProgram is what a verdict is about.
func pingedProgram(a fcgisup.App) string {
	return fmt.Sprintf("%q %q %q %q %q %q %q %v", a.Name, a.Command, a.Directory, a.User, a.Group, a.Environment, a.EnvironmentFile, a.Health.Address)
}

// pinged is what is known of an app's program; nil if it is probed by requests.
func (m *Monitor) pinged(a fcgisup.App) *plainPing {
	if a.Health.Path != "" {
		return nil
	}
	key := pingedProgram(a)
	if m.pings[key] == nil {
		m.pings[key] = &plainPing{}
	}
	return m.pings[key]
}

// forgetPings drops what is known of programs that are not configured any more.
func (m *Monitor) forgetPings() {
	configured := map[string]bool{}
	for _, a := range m.apps {
		configured[pingedProgram(a)] = true
	}
	maps.DeleteFunc(m.pings, func(key string, _ *plainPing) bool { return !configured[key] })
}

// still reports whether a look has shown no client that is served or waits, as far as that can be known.
func (g *probing) still() bool {
	return g.unseen != nil || len(g.traffic.Serving)+g.traffic.Orphaned+g.traffic.Queue == 0
}

// try sends a first ping, unless a client is served whom the program could take
// along, and waits to see whether the program has survived it.
func (g *probing) try(ctx context.Context, opt Options) {
	g.traffic, g.unseen = opt.Traffic(g.in.Address, g.service.PID, true)
	if !g.still() {
		return
	}
	limited, cancel := context.WithTimeout(ctx, min(g.app.Health.Timeout, control.FirstPingTimeout))
	defer cancel()
	begun := time.Now()
	g.result = opt.Probe(limited, g.app, g.in)
	g.took = time.Since(begun)
	g.traffic, g.unseen = opt.Traffic(g.in.Address, g.service.PID, true)
	g.verdict = control.JudgePing(g.result, len(g.traffic.Serving), g.traffic.Queue)
	select {
	case <-time.After(control.PingDeath):
	case <-ctx.Done():
		return
	}
	_, name := opt.UnitNames(g.in)
	after, err := opt.Units.Service(ctx, name)
	if err != nil || after.inactive() {
		return
	}
	if after.Restarts > g.service.Restarts || after.PID != g.service.PID || !after.up() {
		g.verdict = control.PingNone
	}
	g.service = after
}

// errStanding is why a service is unhealthy that is not asked.
var errStanding = errors.New("connections wait, and the program serves no client")

const (
	// standLooks looks, standPause apart, tell a queue that stands from one that is
	// served faster than it can be looked at.
	standLooks = 5
	standPause = 100 * time.Millisecond
)

// stands reports whether connections wait while no client is served.
func (g *probing) stands(ctx context.Context, opt Options) bool {
	for n := range standLooks {
		if g.unseen != nil || g.traffic.Queue == 0 || len(g.traffic.Serving) > 0 {
			return false
		}
		if n == standLooks-1 {
			break
		}
		select {
		case <-time.After(standPause):
		case <-ctx.Done():
			return false
		}
		g.traffic, g.unseen = opt.Traffic(g.in.Address, g.service.PID, true)
	}
	return true
}

// takeTrial notes what a first ping has shown, and what is shown of a program that
// is not pinged.
func (p *plain) takeTrial(g *probing, now time.Time) {
	p.last = g.service
	p.skips, p.bad = 0, ""
	p.probe = &control.ProbeStatus{At: now, OK: true, Ping: g.verdict, DurationSeconds: g.took.Seconds()}
	switch g.verdict {
	case control.PingAnswers:
		p.good = now
	case control.PingNone:
		p.probe.Skipped, p.probe.DurationSeconds = control.AnswersNoPing, 0
	case control.PingUntried:
		p.probe = nil
	}
}
