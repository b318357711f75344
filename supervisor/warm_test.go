package supervisor

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
)

// TestColdPool: a request that wakes a pool does not wait for workers that it does not need.
func TestColdPool(t *testing.T) {
	const start = 400 * time.Millisecond
	workers := 2 + runtime.GOMAXPROCS(0)
	cold := func(t *testing.T, waiting int, takes time.Duration, change func(*fcgisup.App)) *bench {
		t.Helper()
		return newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Workers = fcgisup.Workers{Min: workers, Max: workers}
			change(a)
			h.waiting = waiting
			h.make = func(int) (*fakeProcess, error) {
				p := &fakeProcess{}
				time.AfterFunc(takes, func() { p.set(look{accepting: true}) })
				return p, nil
			}
		})
	}
	asItIs := func(*fcgisup.App) {}
	for name, c := range map[string]struct {
		waiting int
		change  func(*fcgisup.App)
		first   int
	}{
		"one request":              {1, asItIs, 1},
		"more requests than cores": {100, asItIs, min(workers, runtime.GOMAXPROCS(0))},
		"no request, eager":        {0, func(a *fcgisup.App) { a.Activation = fcgisup.Eager }, workers},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := cold(t, c.waiting, start, c.change)
				if n := len(b.after(start / 2).Workers); n != c.first {
					t.Errorf("%d workers start at first, want %d", n, c.first)
				}
				if n := len(b.after(time.Duration(workers+1) * start).Workers); n != workers {
					t.Errorf("%d workers in the end, want %d", n, workers)
				}
				b.end(t)
			})
		})
	}
	t.Run("a worker that takes its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := cold(t, 1, time.Hour, asItIs)
			for n := 1; n <= workers; n++ {
				if got := len(b.after(patientFor / 2).Workers); got != n {
					t.Errorf("%d workers after %s, want %d", got, time.Duration(n)*patientFor-patientFor/2, n)
				}
				b.after(patientFor / 2)
			}
			b.end(t)
		})
	})
}
