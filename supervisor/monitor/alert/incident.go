package alert

import "time"

// incident is an outage of one instance: pending until a message was sent about it, firing from then on. The JSON names
// are those of the first version of the state file.
type incident struct {
	// Since is when it went down.
	Since time.Time `json:"since"`
	// DownFor is how long it was observed to be down before the first message. Time in which
	// its state was unknown, or the monitor did not run, does not count.
	DownFor time.Duration `json:"bad_ns"`
	// NotifiedAt is the time of the last message about it; zero while pending.
	NotifiedAt time.Time `json:"told,omitzero"`
	// RecoveredAt is when a firing one came up; zero: it is not up.
	RecoveredAt time.Time `json:"well,omitzero"`
	// StoppedAt is when an operator stopped it; zero: it is not stopped.
	StoppedAt time.Time `json:"away,omitzero"`
	// Error is what went wrong last.
	Error string `json:"error,omitempty"`

	// lastDown is the time of the last report, if it was down in it.
	lastDown time.Time
}

func (t *incident) firing() bool { return !t.NotifiedAt.IsZero() }

// stoppedTimeout ends a firing incident of an instance that stays stopped: a restart is done by
// then, so the operator has taken it down.
const stoppedTimeout = 10 * time.Minute

// observe updates the incident from a report and reports whether it goes on.
func (t *incident) observe(in instanceSnapshot, now time.Time) bool {
	if !t.firing() {
		return t.observePending(in, now)
	}
	switch in.class {
	case down:
		t.RecoveredAt, t.StoppedAt, t.Error = time.Time{}, time.Time{}, in.err
	case up:
		t.StoppedAt = time.Time{}
		if t.RecoveredAt.IsZero() || t.RecoveredAt.After(now) {
			t.RecoveredAt = now
		}
	case stopped:
		t.RecoveredAt = time.Time{}
		if t.StoppedAt.IsZero() || t.StoppedAt.After(now) {
			t.StoppedAt = now
		}
		return now.Sub(t.StoppedAt) < stoppedTimeout
	case unknown:
		t.RecoveredAt = time.Time{} // not known to be up
	}
	return true
}

func (t *incident) observePending(in instanceSnapshot, now time.Time) bool {
	switch in.class {
	case down:
		if !t.lastDown.IsZero() {
			t.DownFor += max(0, now.Sub(t.lastDown))
		}
		t.lastDown, t.Error = now, in.err
		return true
	case unknown:
		t.lastDown = time.Time{}
		return true
	case up, stopped:
	}
	return false
}

// newIncident starts the incident of an instance that is down.
func newIncident(in instanceSnapshot, now time.Time) *incident {
	since := in.since
	if since.IsZero() || since.After(now) {
		since = now
	}
	return &incident{Since: since, Error: in.err, lastDown: now}
}

// silenced reports whether reminders are suspended: it is up, or stopped.
func (t *incident) silenced() bool { return !t.RecoveredAt.IsZero() || !t.StoppedAt.IsZero() }
