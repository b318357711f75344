package main

import (
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
)

// TestRates: what is answered after the end is not part of a rate, and no peer answers more than it can.
func TestRates(t *testing.T) {
	r := &load.Result{Events: []load.Event{
		{At: 0, Took: 100 * time.Millisecond},
		{At: 100 * time.Millisecond, Took: late + time.Millisecond},
		{At: 200 * time.Millisecond, Took: 10 * time.Millisecond, Kind: load.ServerErr},
		{At: 1900 * time.Millisecond, Took: 100 * time.Millisecond},
		{At: 1950 * time.Millisecond, Took: 100 * time.Millisecond},
		{At: 1960 * time.Millisecond, Took: 2 * late},
	}}
	if answered, inTime := rates(r, 2*time.Second); answered != 1.5 || inTime != 1 {
		t.Errorf("%v/s answered, %v/s in time, want 1.5 and 1", answered, inTime)
	}
}
