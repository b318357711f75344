package supervisor

import "time"

// arrivals reports how long the connections in an accept queue have waited, from
// samples of its length alone. The kernel keeps the order and only the head is
// ever taken, so what a queue loses are its oldest.
type arrivals struct {
	// since holds, for each that waits, when it was first seen; oldest first.
	since []time.Time
}

// observe adds a sample.
func (a *arrivals) observe(now time.Time, length int) {
	if lost := len(a.since) - length; lost > 0 {
		a.since = a.since[lost:]
	}
	for len(a.since) < length {
		a.since = append(a.since, now)
	}
}

// overdue counts those that have waited for d.
func (a *arrivals) overdue(now time.Time, d time.Duration) int {
	for i, t := range a.since {
		if now.Sub(t) < d {
			return i
		}
	}
	return len(a.since)
}
