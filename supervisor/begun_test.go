package supervisor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// TestBegun: what is left for later is left until a request that waits has its worker, and no longer.
func TestBegun(t *testing.T) {
	for name, waiting := range map[string]int{"a request waits": 1, "none waits": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(_ *fcgisup.App, h *fakeHost) {
					h.waiting = waiting
					h.make = func(int) (*fakeProcess, error) {
						time.Sleep(time.Second)
						return &fakeProcess{now: worker.Observation{Accepting: true}}, nil
					}
				})
				if begun := closed(b.begun); begun != (waiting == 0) {
					t.Errorf("begun while a worker is being started: %v", begun)
				}
				b.after(2 * time.Second)
				if !closed(b.begun) {
					t.Error("it never begins")
				}
				b.end(t)
			})
		})
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
