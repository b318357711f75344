package main

import (
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
)

func TestNextTick(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct{ due, now, want time.Duration }{
		{100 * ms, 103 * ms, 200 * ms}, // replaced soon
		{100 * ms, 200 * ms, 200 * ms}, // not replaced: the next kill is due
		{100 * ms, 1530 * ms, 1500 * ms},
	} {
		if got := nextTick(test.due, test.now, 100*ms); got != test.want {
			t.Errorf("after %v at %v: %v, want %v", test.due, test.now, got, test.want)
		}
	}
}

func TestRecovered(t *testing.T) {
	r := &load.Result{Events: []load.Event{
		{At: 1 * time.Second, Took: time.Second},
		{At: 2 * time.Second, Took: 9 * time.Second, Kind: load.Timeout},
		{At: 3 * time.Second, Took: 8 * time.Second}, // waited, and was the first: at 11 s
		{At: 10 * time.Second, Took: 2 * time.Second},
	}}
	if back, err := recovered(r, 10*time.Second); err != nil || back != time.Second {
		t.Errorf("recovered after %v, %v; want 1 s", back, err)
	}
	if _, err := recovered(r, 12*time.Second+1); err == nil {
		t.Error("it has recovered after the last answer")
	}
}
