package supervisor

import "time"

// buckets are the upper bounds in seconds of both histograms: a cold start takes
// up to minutes, a ping a fraction of a millisecond.
var buckets = [...]float64{0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

// histogram counts durations. It is a value: a copy does not change.
type histogram struct {
	counts [len(buckets)]uint64 // each bucket by itself
	total  uint64
	sum    float64
}

func (h *histogram) observe(d time.Duration) {
	s := d.Seconds()
	h.total++
	h.sum += s
	for n, bound := range buckets {
		if s <= bound {
			h.counts[n]++
			return
		}
	}
}

// cumulative is the form of Prometheus: counts up to each bound.
func (h histogram) cumulative() map[float64]uint64 {
	all := make(map[float64]uint64, len(buckets))
	var sum uint64
	for n, bound := range buckets {
		sum += h.counts[n]
		all[bound] = sum
	}
	return all
}
