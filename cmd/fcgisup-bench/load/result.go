package load

import (
	"cmp"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Event is the outcome of one request.
type Event struct {
	At    time.Duration // when it was due, from the beginning
	Took  time.Duration // from when it was due to its end
	Share int           // which of the plan's
	Kind  Kind          // "" is success
}

// End is when its outcome was known, from the beginning.
func (e Event) End() time.Duration { return e.At + e.Took }

// Result is what became of a plan.
type Result struct {
	Plan   Plan
	Began  time.Time
	Events []Event // in the order in which they were due
}

// Filter says which events count.
type Filter func(Event) bool

// Of is the events of one share.
func Of(share int) Filter { return func(e Event) bool { return e.Share == share } }

// Between is the events that were due in [from, to).
func Between(from, to time.Duration) Filter {
	return func(e Event) bool { return e.At >= from && e.At < to }
}

func (r *Result) each(filters []Filter) func(func(Event) bool) {
	return func(yield func(Event) bool) {
		for _, e := range r.Events {
			fits := !slices.ContainsFunc(filters, func(f Filter) bool { return !f(e) })
			if fits && !yield(e) {
				return
			}
		}
	}
}

// Latency is the distribution of what was answered, in microseconds, to three digits.
func (r *Result) Latency(filters ...Filter) *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
	for e := range r.each(filters) {
		if e.Kind == "" {
			_ = h.RecordValue(min(max(e.Took.Microseconds(), 1), h.HighestTrackableValue()))
		}
	}
	return h
}

// Quantile is a latency that q (0 to 1) of the answers did not exceed, 0 if there is no answer.
func (r *Result) Quantile(q float64, filters ...Filter) time.Duration {
	return time.Duration(r.Latency(filters...).ValueAtQuantile(q*100)) * time.Microsecond
}

// Answered counts successes.
func (r *Result) Answered(filters ...Filter) int {
	n := 0
	for e := range r.each(filters) {
		if e.Kind == "" {
			n++
		}
	}
	return n
}

// Failures counts the others by kind.
func (r *Result) Failures(filters ...Filter) map[Kind]int {
	kinds := map[Kind]int{}
	for e := range r.each(filters) {
		if e.Kind != "" {
			kinds[e.Kind]++
		}
	}
	return kinds
}

// Failed counts failures of all kinds.
func (r *Result) Failed(filters ...Filter) int {
	n := 0
	for _, count := range r.Failures(filters...) {
		n += count
	}
	return n
}

// LongestGap is the longest time without a success: from the beginning, between two, or to the end of the plan.
func (r *Result) LongestGap() time.Duration {
	var ends []time.Duration
	for _, e := range r.Events {
		if e.Kind == "" {
			ends = append(ends, e.End())
		}
	}
	slices.SortFunc(ends, cmp.Compare)
	last, longest := time.Duration(0), time.Duration(0)
	for _, end := range append(ends, r.Plan.Duration) {
		longest = max(longest, end-last)
		last = max(last, end)
	}
	return longest
}
