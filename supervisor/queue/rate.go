package queue

import (
	"slices"
	"time"
)

const (
	// The rate is that of the shortest time that is at least as long as each of the
	// windows and in which fewest connections have left. The higher one counts: a
	// program that becomes faster is seen in the short window, and one that halts for a
	// moment keeps the rate of the long one.
	shortWindow = time.Second
	longWindow  = 5 * time.Second
	fewest      = 16
	// lately is the shorter of the two times that show whether a queue drains.
	lately = time.Second / 2
	// memory is how long a sample counts.
	memory = time.Minute
	// maxMarks bounds how many are kept.
	maxMarks = 1024
)

// rate measures how many connections leave a queue per second while any wait.
type rate struct {
	marks []mark // oldest first
}

// mark is a sample: for how long any have waited, and how many have left, since the first.
type mark struct {
	at     time.Time
	busy   time.Duration
	left   int
	length int
}

// add is a sample at the end of a time in which the queue was not empty.
func (r *rate) add(at time.Time, busy time.Duration, left, length int) {
	var last mark
	if n := len(r.marks); n > 0 {
		last = r.marks[n-1]
	} else {
		r.marks = append(r.marks, mark{at: at.Add(-busy), length: length + left})
	}
	r.marks = append(r.marks, mark{at, last.busy + busy, last.left + left, length})
	r.forget(at)
}

// pause is a sample that says nothing of the rate.
func (r *rate) pause(at time.Time) { r.forget(at) }

func (r *rate) forget(now time.Time) {
	old := max(len(r.marks)-maxMarks, 0)
	for old < len(r.marks) && now.Sub(r.marks[old].at) > memory {
		old++
	}
	r.marks = slices.Delete(r.marks, 0, old)
}

// best is the rate per second; 0 while none is known.
func (r *rate) best() float64 { return max(r.within(shortWindow), r.within(longWindow)) }

// within is counted from one departure to another: programs serve in batches, and what
// has passed since the last one says nothing yet, unless it is long.
func (r *rate) within(window time.Duration) float64 {
	to := len(r.marks) - 1
	for n := to; n > 0; n-- {
		if r.departed(n) {
			if r.marks[to].busy-r.marks[n].busy < drains {
				to = n
			}
			break
		}
	}
	if to <= 0 {
		return 0
	}
	last, from := r.marks[to], r.marks[0]
	for n := to - 1; n > 0; n-- {
		if !r.departed(n) {
			continue
		}
		from = r.marks[n]
		if last.busy-from.busy >= window && last.left-from.left >= fewest {
			break
		}
	}
	if last.busy <= from.busy {
		return 0
	}
	return float64(last.left-from.left) / (last.busy - from.busy).Seconds()
}

// departed reports whether something left before a mark.
func (r *rate) departed(n int) bool { return r.marks[n].left > r.marks[n-1].left }

// drains reports whether the queue will be empty within a time, if that goes on which
// has been since some time ago, or whether it is shorter than lately: the sooner an end
// is seen, the less has been turned away.
func (r *rate) drains(now time.Time, ago time.Duration, length int, within time.Duration) bool {
	for _, m := range slices.Backward(r.marks) {
		age := now.Sub(m.at)
		if age >= lately && age < ago && length < m.length {
			return true
		}
		if age >= ago {
			return float64(length)*age.Seconds() <= float64(m.length-length)*within.Seconds()
		}
	}
	return true // it is too young
}
