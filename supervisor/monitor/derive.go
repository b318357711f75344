package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor/history"
)

// gapAfter is how long no sample may have been taken before that is a gap in the history.
const gapAfter = 2 * time.Minute

// ranked are all healths from best to worst, as the history keeps them.
var ranked = []string{string(Up), string(Asleep), string(Stopped), string(Unknown), string(Down)}

// OpenHistory opens the history of a monitor, see [history.Open].
func OpenHistory(path string) (*history.Log, error) {
	return history.Open(path, string(Unknown), ranked...)
}

// report derives and publishes how everything is.
func (m *Monitor) report() {
	m.reportAt = time.Time{}
	now := time.Now()
	said := m.voices(now)
	m.now = make(map[fcgisup.Instance]Health, len(m.before))
	r := &Report{Host: m.opt.Host, Version: m.opt.Version, At: now, ConfigError: m.configError, Accepted: m.accepted, Page: m.page}
	for _, app := range m.apps {
		a := App{Name: app.Name, Description: app.Description, Supervised: app.Systemd.Supervise, Instances: make([]Instance, 0, app.Instances)}
		for _, in := range app.Expand() {
			key := bare(in)
			a.Instances = append(a.Instances, m.derive(app, in, said[key], now))
			delete(said, key)
		}
		r.Apps = append(r.Apps, a)
	}
	m.strangers(r, said, now)
	m.before = m.now
	m.feed.Publish(r)
	m.save()
	m.reportTook = time.Since(now)
}

// bare is an instance without its address, as a key.
func bare(in fcgisup.Instance) fcgisup.Instance {
	return fcgisup.Instance{App: in.App, Number: in.Number}
}

// derive tells how an instance of the configuration is.
func (m *Monitor) derive(app fcgisup.App, in fcgisup.Instance, v voice, now time.Time) Instance {
	key := bare(in)
	f := facts{supervised: app.Systemd.Supervise, systemd: m.units.believed(m.old()), failures: app.Health.Failures, before: m.before[key]}
	i := Instance{App: in.App, Number: in.Number, Address: in.Address.String(), Checked: now}
	if f.systemd {
		socket, service := m.opt.UnitNames(in)
		f.socket, f.service = m.units.all[socket], m.units.all[service]
		f.restarts = m.restarting[key].met
		i.SocketUnit, i.ServiceUnit, i.Checked = f.socket.String(), f.service.String(), m.units.at
		f.missing = m.missed(key, f.socket, in.Address, now)
	}
	if app.Systemd.Supervise {
		f.status, f.silence, f.refused = m.shown(v.status), v.silence, v.refused
		f.fresh = m.fresh(key, v, f.service, now)
		if v == (voice{}) {
			f.silence, f.refused = m.silence(m.opt.SocketOf(in)), m.controls[m.opt.SocketOf(in)].refusal()
		}
		i.Status = f.status
		if v.status != nil {
			i.Checked = v.at
		}
	} else if p := m.plains[key]; p != nil {
		f.bad = p.bad
		i.Probe, i.Restarts = p.probe, p.restarts
	}
	return m.settle(i, judge(f), now)
}

// shown is a status as every reader of the report may see it: what workers print,
// and what the kernel said of them, may be secrets of the application. Those who can
// ask the control socket, which are root and the app's user, see all of it.
func (m *Monitor) shown(st *control.Status) *control.Status {
	if st == nil || m.opt.Secret != nil && m.opt.Secret() {
		return st
	}
	less := *st
	if st.LastFailure != nil {
		failure := *st.LastFailure
		failure.Output, failure.Evidence = nil, nil
		less.LastFailure = &failure
	}
	if st.Probe != nil && !st.Probe.OK {
		probe := *st.Probe
		probe.Answer, probe.Error = "", withoutWords(probe)
		less.Probe = &probe
	}
	return &less
}

// withoutWords is the error of a failed probe without what the program answered, which the error may quote.
func withoutWords(p control.ProbeStatus) string {
	if p.Status != 0 {
		return fmt.Sprintf("%s (HTTP status %d)", p.Class, p.Status)
	}
	return string(p.Class)
}

// settle adds what the past says.
func (m *Monitor) settle(i Instance, v verdict, now time.Time) Instance {
	key := fcgisup.Instance{App: i.App, Number: i.Number}
	before := m.before[key]
	m.now[key] = v.health
	i.Health, i.Why, i.Intended = v.health, v.why, v.intended
	name := key.String()
	if i.Unconfigured && !m.remembers(key, now) {
		i.Since = now
		return i
	}
	i.Since = m.opt.History.See(name, string(v.health), now, max(gapAfter, oldAnswers*m.opt.Interval))
	for _, s := range m.opt.History.Spans(name) {
		i.History = append(i.History, Span{s.From, s.Until, Health(s.State)})
	}
	if before != v.health && before != "" {
		m.opt.Log.Info("an instance has changed", "instance", name, "from", string(before), "to", string(v.health), "why", v.why, "intended", v.intended)
	}
	return i
}

// strangers adds the instances that run without being in the configuration.
func (m *Monitor) strangers(r *Report, said map[fcgisup.Instance]voice, now time.Time) {
	keys := slices.SortedFunc(maps.Keys(said), func(a, b fcgisup.Instance) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Number, b.Number))
	})
	for _, key := range keys {
		v := said[key]
		i := Instance{App: key.App, Number: key.Number, Unconfigured: true, Status: m.shown(v.status), Checked: now}
		if v.status != nil {
			i.Address, i.Checked = v.status.Address, v.at
		}
		f := facts{supervised: true, status: v.status, silence: v.silence, refused: v.refused, failures: 1, before: m.before[key]}
		n := slices.IndexFunc(r.Apps, func(a App) bool { return a.Name == key.App })
		if n < 0 {
			n = len(r.Apps)
			r.Apps = append(r.Apps, App{Name: key.App, Supervised: true})
		}
		r.Apps[n].Instances = append(r.Apps[n].Instances, m.settle(i, judge(f), now))
	}
}

// maxStrange bounds the unconfigured instances with a history: a supervisor may
// have others to tell of each time.
const maxStrange = 1000

// remembers reports whether an unconfigured instance has a history.
func (m *Monitor) remembers(key fcgisup.Instance, now time.Time) bool {
	if _, known := m.strange[key]; !known && len(m.strange) >= maxStrange {
		maps.DeleteFunc(m.strange, func(_ fcgisup.Instance, seen time.Time) bool { return now.Sub(seen) > history.Window })
		if len(m.strange) >= maxStrange {
			return false
		}
	}
	m.strange[key] = now
	return true
}

// unconnectable says why no client can connect to a unix socket that is open.
func unconnectable(a fcgisup.Address) string {
	if a.Network != "unix" {
		return ""
	}
	info, err := os.Lstat(a.Addr)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s is gone: clients cannot connect", a.Addr)
	case err == nil && info.Mode().Type() != fs.ModeSocket && info.Mode().Type() != fs.ModeSymlink:
		return fmt.Sprintf("%s is not a socket: clients cannot connect", a.Addr)
	}
	return ""
}

// missed says why no client can connect to a socket that systemd calls open. The
// file goes before systemd says that the socket is stopped, so it is believed
// only of a list of units that is younger than the loss.
func (m *Monitor) missed(key fcgisup.Instance, socket Unit, a fcgisup.Address, now time.Time) string {
	why := ""
	if socket.up() {
		why = unconnectable(a)
	}
	if why == "" {
		delete(m.missing, key)
		return ""
	}
	if m.missing[key].IsZero() {
		m.missing[key] = now
	}
	if !m.units.at.After(m.missing[key]) {
		return ""
	}
	return why
}

// fresh reports whether a service runs only since its supervisor could last have
// been asked: it has said nothing yet because it was not asked.
func (m *Monitor) fresh(key fcgisup.Instance, v voice, service Unit, now time.Time) bool {
	if v != (voice{}) || !service.up() {
		delete(m.silent, key)
		return false
	}
	if m.silent[key].IsZero() {
		m.silent[key] = now
	}
	return now.Sub(m.silent[key]) < m.opt.Interval+2*roundTimeout
}

// restarting is how often systemd was met restarting a service, and how often
// in a row not since.
type restarting struct{ met, quiet int }

// countRestarts counts at how many looks systemd was restarting a service.
func (m *Monitor) countRestarts() {
	for _, app := range m.apps {
		for _, in := range app.Expand() {
			_, name := m.opt.UnitNames(in)
			service, key := m.units.all[name], bare(in)
			r := m.restarting[key]
			if service.Sub == subAutoRestart {
				m.restarting[key] = restarting{met: r.met + 1}
				continue
			}
			if service.Active == unitActivating {
				continue // it tries
			}
			if r.quiet++; r.met == 0 || r.quiet >= restartsAsFailure || service.inactive() {
				delete(m.restarting, key)
			} else {
				m.restarting[key] = r
			}
		}
	}
}

// forget drops what is remembered of instances that are not configured any more.
func (m *Monitor) forget() {
	m.forgetPings()
	configured := map[fcgisup.Instance]bool{}
	for _, app := range m.apps {
		for _, in := range app.Expand() {
			configured[bare(in)] = true
		}
	}
	gone := func(key fcgisup.Instance) bool { return !configured[key] }
	maps.DeleteFunc(m.plains, func(key fcgisup.Instance, _ *plain) bool { return gone(key) })
	maps.DeleteFunc(m.restarting, func(key fcgisup.Instance, _ restarting) bool { return gone(key) })
	maps.DeleteFunc(m.silent, func(key fcgisup.Instance, _ time.Time) bool { return gone(key) })
	maps.DeleteFunc(m.missing, func(key fcgisup.Instance, _ time.Time) bool { return gone(key) })
}
