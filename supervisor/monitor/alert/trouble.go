package alert

import "time"

// trouble is an instance that is down, or was told to be: pending until people
// have heard of it, firing from then on.
type trouble struct {
	// Since is when it went down.
	Since time.Time `json:"since"`
	// Bad is for how long it was seen to be down before anybody was told. What
	// was not seen, while it was unknown or the monitor dead, does not count.
	Bad time.Duration `json:"bad_ns"`
	// Told is the last message about it; zero while pending.
	Told time.Time `json:"told,omitzero"`
	// Well is since when a firing one is fine again; zero: it is not.
	Well time.Time `json:"well,omitzero"`
	// Away is since when the operator has it; zero: he has not.
	Away time.Time `json:"away,omitzero"`
	// Error is what went wrong last.
	Error string `json:"error,omitempty"`

	// seen is the last sight of it, if that was bad.
	seen time.Time
}

func (t *trouble) firing() bool { return !t.Told.IsZero() }

// absence is how long what is firing may be in the operator's hands until the
// trouble is over: he who restarts it is done by then, and he who is not has taken it down.
const absence = 10 * time.Minute

// observe takes in one look at the instance and reports whether the trouble goes on.
func (t *trouble) observe(in instanceSight, now time.Time) bool {
	if !t.firing() {
		return t.observePending(in, now)
	}
	switch in.class {
	case bad:
		t.Well, t.Away, t.Error = time.Time{}, time.Time{}, in.err
	case fine:
		t.Away = time.Time{}
		if t.Well.IsZero() || t.Well.After(now) {
			t.Well = now
		}
	case stopped:
		t.Well = time.Time{}
		if t.Away.IsZero() || t.Away.After(now) {
			t.Away = now
		}
		return now.Sub(t.Away) < absence
	case unknown:
		t.Well = time.Time{} // what is not seen to be fine is not
	}
	return true
}

func (t *trouble) observePending(in instanceSight, now time.Time) bool {
	switch in.class {
	case bad:
		if !t.seen.IsZero() {
			t.Bad += max(0, now.Sub(t.seen))
		}
		t.seen, t.Error = now, in.err
		return true
	case unknown:
		t.seen = time.Time{}
		return true
	case fine, stopped:
	}
	return false
}

// begun is the trouble that a bad sight begins.
func begun(in instanceSight, now time.Time) *trouble {
	since := in.since
	if since.IsZero() || since.After(now) {
		since = now
	}
	return &trouble{Since: since, Error: in.err, seen: now}
}

// muted tells that no message is due although it is firing.
func (t *trouble) muted() bool { return !t.Well.IsZero() || !t.Away.IsZero() }
