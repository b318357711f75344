package supervisor

import (
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
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
	t.Run("workers that take their time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := cold(t, 1, time.Hour, asItIs)
			if n := len(b.after(coldFor / 2).Workers); n != 1 {
				t.Errorf("%d workers start at first, want 1", n)
			}
			if n := len(b.after(coldFor).Workers); n != workers {
				t.Errorf("%d workers after %s, want %d", n, 3*coldFor/2, workers)
			}
			b.end(t)
		})
	})
	t.Run("workers that serve one request each", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
				a.Workers = fcgisup.Workers{Min: workers, Max: workers}
				h.waiting = 100
				h.make = func(int) (*fakeProcess, error) {
					p := &fakeProcess{}
					time.AfterFunc(start, func() {
						h.mu.Lock()
						h.waiting--
						h.mu.Unlock()
						p.die(0)
					})
					return p, nil
				}
			})
			if n := len(b.after(coldFor + start/2).Workers); n != workers {
				t.Errorf("%d workers, want %d", n, workers)
			}
			b.end(t)
		})
	})
	t.Run("an elastic pool does not count what is held back as growth", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := cold(t, 1, start, func(a *fcgisup.App) { a.Workers = fcgisup.Workers{Min: workers, Max: 2 * workers} })
			st := b.after(start + start/2)
			if n := len(st.Workers); n != 2 {
				t.Errorf("%d workers, want one that is ready and one that starts", n)
			}
			if n := st.Scaled[control.Upward]; n != 0 {
				t.Errorf("scaled up %d times", n)
			}
			b.end(t)
		})
	})
}

// TestLeavesWhileCold: an instance that ends while it holds workers back waits for those it has, and does not spin.
func TestLeavesWhileCold(t *testing.T) {
	app := fcgisup.Default("rt")
	i := newInstance(app.Instance(1), app, Launch{}, nil, &Options{siblings: 1, Log: slog.New(slog.DiscardHandler)})
	i.awake, i.want, i.coldUntil = true, 2, time.Unix(0, 0)
	if !i.next().Equal(i.coldUntil) {
		t.Error("it does not come back for the workers that it holds back")
	}
	i.leaving = true
	if next := i.next(); !next.IsZero() {
		t.Errorf("it comes back at %s, for nothing", next)
	}
}
