package alert

import (
	"time"
)

// rules are the timing of messages.
type rules struct {
	// hold is alerts.for.
	hold   time.Duration
	repeat time.Duration
}

// recoveryHold is how long an instance must be up before a message says so: alerts.for, at most a minute.
func (r rules) recoveryHold() time.Duration { return min(r.hold, time.Minute) }

const (
	// batchWindow is how close two changes must be to share a message.
	batchWindow = 10 * time.Second
	// maxBatchWait bounds how long a change waits for others.
	maxBatchWait = 3 * batchWindow
)

// machine decides what to send and when. It has no clock and no effects: the same
// history gives the same messages.
type machine struct {
	// Incidents are keyed by instance, "rt@3".
	Incidents map[string]*incident `json:"troubles"`
	// DownOpen and UpOpen are when the open batch of each kind began; zero: there is none.
	DownOpen time.Time `json:"down_open,omitzero"`
	UpOpen   time.Time `json:"up_open,omitzero"`

	// last is the last report; nil: none has come yet, so nothing is sent.
	last *snapshot
}

func newMachine() *machine { return &machine{Incidents: map[string]*incident{}} }

// observe updates the incidents from a report. Those of instances that it does not list end without a message.
func (m *machine) observe(s snapshot, now time.Time) {
	m.last = &s
	known := make(map[string]*incident, len(m.Incidents))
	for _, app := range s.apps {
		for _, in := range app.instances {
			name := instanceName(app.name, in.number)
			t := m.Incidents[name]
			if t != nil && !t.observe(in, now) {
				t = nil
			} else if t == nil && in.class == down {
				t = newIncident(in, now)
			}
			if t != nil {
				known[name] = t
			}
		}
	}
	m.Incidents = known
}

// notifications returns the messages that are due. It is called after each report, and at
// the time that next returns.
func (m *machine) notifications(r rules, now time.Time) []Notification {
	if m.last == nil {
		return nil
	}
	var all []Notification
	if m.batchDue(&m.UpOpen, r.recoveryHold(), now, (*incident).untilUpDue) {
		all = append(all, m.compose(Up, now, func(t *incident) bool {
			left, ok := t.untilUpDue(r.recoveryHold(), now)
			return ok && left <= 0
		}))
	}
	if m.batchDue(&m.DownOpen, r.hold, now, (*incident).untilDownDue) {
		due := map[*incident]bool{}
		for _, t := range m.Incidents {
			if left, ok := t.untilDownDue(r.hold, now); ok && left <= 0 {
				t.NotifiedAt, due[t] = now, true
			}
		}
		all = append(all, m.compose(Down, now, func(t *incident) bool { return due[t] }))
	}
	if m.reminderDue(r, now) {
		all = append(all, m.reminder(now))
	}
	return all
}

// untilDownDue returns the time left until a message must say that it is down; false: one
// has, or the instance was not seen down in the last report.
func (t *incident) untilDownDue(hold time.Duration, _ time.Time) (time.Duration, bool) {
	return hold - t.DownFor, !t.firing() && !t.lastDown.IsZero()
}

// untilUpDue returns the time left until a message must say that it is up.
func (t *incident) untilUpDue(steady time.Duration, now time.Time) (time.Duration, bool) {
	return steady - now.Sub(t.RecoveredAt), !t.RecoveredAt.IsZero()
}

// batchDue reports whether to send the incidents that have waited long enough: at once if no other
// becomes due within batchWindow, which is known wait ahead; else when that one is, within maxBatchWait.
func (m *machine) batchDue(open *time.Time, wait time.Duration, now time.Time, left func(*incident, time.Duration, time.Time) (time.Duration, bool)) bool {
	ripe, soon := false, false
	for _, t := range m.Incidents {
		if l, ok := left(t, wait, now); ok {
			ripe = ripe || l <= 0
			soon = soon || l > 0 && l <= batchWindow
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
	if waited < maxBatchWait && (soon || waited < batchWindow-wait) {
		return false
	}
	*open = time.Time{}
	return true
}

// next returns when to call notifications again if no report comes before; zero: no need.
func (m *machine) next(r rules, now time.Time) time.Time {
	if m.last == nil {
		return time.Time{}
	}
	var first time.Time
	for _, w := range []struct {
		open time.Time
		wait time.Duration
	}{{m.DownOpen, r.hold}, {m.UpOpen, r.recoveryHold()}} {
		if w.open.IsZero() {
			continue
		}
		at := w.open.Add(batchWindow - w.wait)
		if !at.After(now) {
			at = w.open.Add(maxBatchWait)
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// reminderDue reports whether an incident needs a reminder.
func (m *machine) reminderDue(r rules, now time.Time) bool {
	if r.repeat <= 0 {
		return false
	}
	due := false
	for _, t := range m.Incidents {
		if !t.firing() || t.silenced() {
			continue
		}
		if t.NotifiedAt.After(now) { // the clock was set back
			t.NotifiedAt = now
		}
		due = due || now.Sub(t.NotifiedAt) >= r.repeat
	}
	return due
}

// reminder returns one message about all that is still down, without what was sent just now.
func (m *machine) reminder(now time.Time) Notification {
	still := map[*incident]bool{}
	for _, t := range m.Incidents {
		if t.firing() && !t.silenced() && t.NotifiedAt.Before(now) {
			t.NotifiedAt, still[t] = now, true
		}
	}
	return m.compose(StillDown, now, func(t *incident) bool { return still[t] })
}

// compose returns a message about the chosen incidents, and deletes those that are over.
func (m *machine) compose(event Event, now time.Time, chosen func(*incident) bool) Notification {
	n := Notification{Event: event, Host: m.last.host, At: now}
	over := map[string]bool{}
	for _, app := range m.last.apps {
		a := AppNews{App: app.name, Description: app.description, Instances: len(app.instances)}
		known := 0
		for _, in := range app.instances {
			name := instanceName(app.name, in.number)
			t := m.Incidents[name]
			switch {
			case t == nil && in.class == stopped:
				known++
			case t == nil:
			case chosen(t):
				a.add(in, t, event, now)
				over[name] = event == Up
			}
			if t != nil && t.firing() && t.RecoveredAt.IsZero() {
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
			delete(m.Incidents, name)
		}
	}
	n.Title, n.Text = n.title(), n.text()
	return n
}
