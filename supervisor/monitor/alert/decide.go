package alert

import (
	"time"
)

// rules are when people hear of what.
type rules struct {
	// hold is alerts.for.
	hold   time.Duration
	repeat time.Duration
}

// steady is for how long what was down must be fine to be called up: as long as
// it may be down unheard, but good news need not wait longer than this.
func (r rules) steady() time.Duration { return min(r.hold, time.Minute) }

const (
	// together is how near two changes are to be told in one message.
	together = 10 * time.Second
	// maxHold is the longest that one change waits for others.
	maxHold = 3 * together
)

// machine decides who is told what. It has no clock and no effects; two with
// the same history say the same.
type machine struct {
	// Troubles are by instance, "rt@3".
	Troubles map[string]*trouble `json:"troubles"`
	// DownOpen and UpOpen are since when there is something to tell that waits
	// for more of its kind; zero: there is nothing.
	DownOpen time.Time `json:"down_open,omitzero"`
	UpOpen   time.Time `json:"up_open,omitzero"`

	// seen is the last report; nil: none has come yet, so nothing can be said of anything.
	seen *sight
}

func newMachine() *machine { return &machine{Troubles: map[string]*trouble{}} }

// observe takes in a report. What is no longer in it ends quietly.
func (m *machine) observe(s sight, now time.Time) {
	m.seen = &s
	known := make(map[string]*trouble, len(m.Troubles))
	for _, app := range s.apps {
		for _, in := range app.instances {
			name := instanceName(app.name, in.number)
			t := m.Troubles[name]
			if t != nil && !t.observe(in, now) {
				t = nil
			} else if t == nil && in.class == bad {
				t = begun(in, now)
			}
			if t != nil {
				known[name] = t
			}
		}
	}
	m.Troubles = known
}

// tell is what people should hear now. It is called after each report, and at
// the time that next says.
func (m *machine) tell(r rules, now time.Time) []Notification {
	if m.seen == nil {
		return nil
	}
	var all []Notification
	if m.due(&m.UpOpen, r.steady(), now, (*trouble).waitUp) {
		all = append(all, m.news(Up, now, func(t *trouble) bool {
			left, ok := t.waitUp(r.steady(), now)
			return ok && left <= 0
		}))
	}
	if m.due(&m.DownOpen, r.hold, now, (*trouble).waitDown) {
		told := map[*trouble]bool{}
		for _, t := range m.Troubles {
			if left, ok := t.waitDown(r.hold, now); ok && left <= 0 {
				t.Told, told[t] = now, true
			}
		}
		all = append(all, m.news(Down, now, func(t *trouble) bool { return told[t] }))
	}
	if m.overdue(r, now) {
		all = append(all, m.remind(now))
	}
	return all
}

// waitDown is how long until people must hear that it is down; false: they
// know, or there is nothing to hear at present.
func (t *trouble) waitDown(hold time.Duration, _ time.Time) (time.Duration, bool) {
	return hold - t.Bad, !t.firing() && !t.seen.IsZero()
}

// waitUp is how long until people must hear that it is up.
func (t *trouble) waitUp(steady time.Duration, now time.Time) (time.Duration, bool) {
	return steady - now.Sub(t.Well), !t.Well.IsZero()
}

// due reports whether it is time for a message about what has been in its state
// for long enough: at once if nothing else is about to be, which is known for
// as far ahead as the wait is long; else when that has come, within maxHold.
func (m *machine) due(open *time.Time, wait time.Duration, now time.Time, left func(*trouble, time.Duration, time.Time) (time.Duration, bool)) bool {
	ripe, soon := false, false
	for _, t := range m.Troubles {
		if l, ok := left(t, wait, now); ok {
			ripe = ripe || l <= 0
			soon = soon || l > 0 && l <= together
		}
	}
	if !ripe {
		*open = time.Time{}
		return false
	}
	if open.IsZero() || open.After(now) {
		*open = now
	}
	waited := now.Sub(*open)
	if waited < maxHold && (soon || waited < together-wait) {
		return false
	}
	*open = time.Time{}
	return true
}

// next is when to call tell again if no report comes before; zero: no need.
func (m *machine) next(r rules, now time.Time) time.Time {
	if m.seen == nil {
		return time.Time{}
	}
	var first time.Time
	for _, w := range []struct {
		open time.Time
		wait time.Duration
	}{{m.DownOpen, r.hold}, {m.UpOpen, r.steady()}} {
		if w.open.IsZero() {
			continue
		}
		at := w.open.Add(together - w.wait)
		if !at.After(now) {
			at = w.open.Add(maxHold)
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// overdue reports whether people must be reminded of anything.
func (m *machine) overdue(r rules, now time.Time) bool {
	if r.repeat <= 0 {
		return false
	}
	due := false
	for _, t := range m.Troubles {
		if !t.firing() || t.muted() {
			continue
		}
		if t.Told.After(now) { // the clock was set back
			t.Told = now
		}
		due = due || now.Sub(t.Told) >= r.repeat
	}
	return due
}

// remind is one message of all that is still down, but for what was told just now.
func (m *machine) remind(now time.Time) Notification {
	still := map[*trouble]bool{}
	for _, t := range m.Troubles {
		if t.firing() && !t.muted() && t.Told.Before(now) {
			t.Told, still[t] = now, true
		}
	}
	return m.news(StillDown, now, func(t *trouble) bool { return still[t] })
}

// news is a message about the troubles chosen; those that are over are forgotten.
func (m *machine) news(event Event, now time.Time, chosen func(*trouble) bool) Notification {
	n := Notification{Event: event, Host: m.seen.host, At: now}
	over := map[string]bool{}
	for _, app := range m.seen.apps {
		a := AppNews{App: app.name, Description: app.description, Instances: len(app.instances)}
		known := 0
		for _, in := range app.instances {
			name := instanceName(app.name, in.number)
			t := m.Troubles[name]
			switch {
			case t == nil && in.class == stopped:
				known++
			case t == nil:
			case chosen(t):
				a.add(in, t, event, now)
				over[name] = event == Up
			}
			if t != nil && t.firing() && t.Well.IsZero() {
				a.Down++
				known++
			}
		}
		a.Whole = known == a.Instances && a.Down > 0
		if a.Changed > 0 {
			if len(n.Apps) >= maxApps {
				a.News = nil
			}
			n.Apps = append(n.Apps, a)
		}
	}
	for name, gone := range over {
		if gone {
			delete(m.Troubles, name)
		}
	}
	n.Title, n.Text = n.title(), n.text()
	return n
}
