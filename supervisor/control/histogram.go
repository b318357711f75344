package control

import (
	"encoding/json"
	"time"
)

// buckets are the upper bounds in seconds of both histograms: a cold start takes
// up to minutes, a ping a fraction of a millisecond.
var buckets = [...]float64{0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

// Histogram counts durations. It is a value: a copy does not change. In JSON it
// is {"count", "sum_seconds", "buckets"}, the last with how many were longer than
// each bound and no longer than the next.
type Histogram struct {
	counts [len(buckets)]uint64 // each bucket by itself
	Total  uint64
	Sum    float64
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	s := d.Seconds()
	h.Total++
	h.Sum += s
	for n, bound := range buckets {
		if s <= bound {
			h.counts[n]++
			return
		}
	}
}

// Cumulative is the form of Prometheus: counts up to each bound.
func (h Histogram) Cumulative() map[float64]uint64 {
	all := make(map[float64]uint64, len(buckets))
	var sum uint64
	for n, bound := range buckets {
		sum += h.counts[n]
		all[bound] = sum
	}
	return all
}

type histogramJSON struct {
	Count   uint64   `json:"count"`
	Sum     float64  `json:"sum_seconds"`
	Buckets []uint64 `json:"buckets"`
}

// MarshalJSON is json.Marshaler's.
func (h Histogram) MarshalJSON() ([]byte, error) {
	return json.Marshal(histogramJSON{h.Total, h.Sum, h.counts[:]})
}

// UnmarshalJSON is json.Unmarshaler's. One of another version, with other bounds,
// is taken for empty.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var from histogramJSON
	if err := json.Unmarshal(data, &from); err != nil {
		return err
	}
	*h = Histogram{}
	if len(from.Buckets) == len(buckets) {
		h.Total, h.Sum = from.Count, from.Sum
		copy(h.counts[:], from.Buckets)
	}
	return nil
}
