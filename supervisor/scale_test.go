package supervisor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// decide lets a scaler decide every second, and its decisions come true.
func decide(s *scaler, w fcgisup.Workers, from time.Time, seconds, busy, queue, have int) (after int) {
	for n := range seconds {
		now := from.Add(time.Duration(n) * time.Second)
		have = s.observe(now, w, load{busy: min(busy, have), queue: queue, workers: have})
	}
	return have
}

func TestScalerFollowsTheLoadUpAndBack(t *testing.T) {
	w := fcgisup.Workers{Min: 1, Max: 8, Spare: 1}
	s := &scaler{}
	have := decide(s, w, epoch, 1, 1, 0, 1)
	if have != 2 {
		t.Errorf("%d workers for one busy and one spare", have)
	}
	have = decide(s, w, epoch.Add(time.Second), 5, 8, 24, have)
	if have != 8 {
		t.Fatalf("%d workers under full load", have)
	}
	calmed := epoch.Add(6 * time.Second)
	have = decide(s, w, calmed, 25, 1, 0, have)
	if have != 8 {
		t.Errorf("%d workers before the window is over", have)
	}
	have = decide(s, w, calmed.Add(25*time.Second), 20, 1, 0, have)
	if have != 2 {
		t.Errorf("%d workers after the window, want one busy and one spare", have)
	}
}

func TestScalerGrowsAtADoublingRate(t *testing.T) {
	w := fcgisup.Workers{Min: 1, Max: 100}
	s := &scaler{}
	have := 1
	for _, want := range []int{2, 4, 8, 16, 32, 48, 64, 80, 96, 100, 100} {
		if have = s.observe(epoch, w, load{busy: have, queue: 200, workers: have}); have != want {
			t.Fatalf("%d workers, want %d", have, want)
		}
	}
}

// TestLightLoadLetsGoOfSurplus is the flaw of idle timers per worker: requests
// that go round touch every worker, and none is ever idle for long.
func TestLightLoadLetsGoOfSurplus(t *testing.T) {
	w := fcgisup.Workers{Min: 1, Max: 8}
	s := &scaler{}
	have := decide(s, w, epoch, 3, 8, 8, 1)
	if have = decide(s, w, epoch.Add(3*time.Second), 60, 1, 0, have); have != 1 {
		t.Errorf("%d workers for one request at a time", have)
	}
}

func TestScalerHoldsGrowthUnderPressure(t *testing.T) {
	w := fcgisup.Workers{Min: 1, Max: 8}
	s := &scaler{}
	if n := s.observe(epoch, w, load{busy: 1, queue: 5, workers: 1, pressed: true}); n != 1 {
		t.Errorf("grew to %d although memory is short", n)
	}
}

func TestScalerNeverLeavesItsBounds(t *testing.T) {
	for _, w := range []fcgisup.Workers{{Min: 0, Max: 3}, {Min: 2, Max: 5, Spare: 4}, {Min: 1, Max: 1}} {
		s, have := &scaler{}, max(w.Min, 1)
		for n := range 200 {
			busy := min((n*7)%11, have)
			have = s.observe(epoch.Add(time.Duration(n)*time.Second), w, load{busy: busy, queue: (n * 5) % 13, workers: have})
			if have > w.Max || have < w.Min {
				t.Fatalf("%+v: %d workers", w, have)
			}
		}
	}
}

func elastic(a *fcgisup.App, _ *fakeHost) {
	a.Activation = fcgisup.Eager
	a.Health.Interval = 0
	a.Workers = fcgisup.Workers{Min: 1, Max: 4}
}

func TestPoolGrowsOnAQueueAndShrinksAfterTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, elastic)
		b.want(t, b.after(5*time.Second), control.Up, control.Ready)
		b.host.last().set(worker.Observation{Held: 1})
		b.host.connect()
		b.host.connect()
		st := b.after(2 * time.Second)
		if len(st.Workers) < 3 || st.Scaled[control.Upward] == 0 {
			t.Fatalf("%d workers, scaled %v", len(st.Workers), st.Scaled)
		}
		b.host.mu.Lock()
		b.host.waiting = 0
		for _, p := range b.host.procs {
			p.set(worker.Observation{Accepting: true})
		}
		b.host.mu.Unlock()
		st = b.after(20 * time.Second)
		if len(st.Workers) < 3 {
			t.Errorf("%d workers before the window is over", len(st.Workers))
		}
		st = b.after(30 * time.Second)
		b.want(t, st, control.Up, control.Ready)
		if st.Exits[control.Scale] == 0 || st.Scaled[control.Downward] == 0 {
			t.Errorf("restarts %v, scaled %v", st.Restarts, st.Scaled)
		}
		b.end(t)
	})
}

func TestIdleInstanceSleepsAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Limits.IdleTimeout = time.Minute // and probes every 10 s, not requests of clients
		})
		for round := range 3 {
			b.host.connect()
			b.after(100 * time.Millisecond)
			b.host.mu.Lock()
			b.host.waiting = 0
			b.host.mu.Unlock()
			b.want(t, b.after(50*time.Second), control.Up, control.Ready)
			b.want(t, b.after(15*time.Second), control.Sleeping)
			if n := b.host.spawned(); n != round+1 {
				t.Fatalf("%d spawns in round %d", n, round)
			}
		}
		b.end(t)
	})
}

func TestSleepyInstanceIsAwakeForWhoeverComesWhileItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Limits.IdleTimeout = time.Minute
			a.Activation = fcgisup.Eager
			h.make = func(n int) (*fakeProcess, error) {
				return &fakeProcess{now: worker.Observation{Accepting: true}, busy: n == 1}, nil // the first finds no moment to stop
			}
		})
		b.after(61 * time.Second)
		b.host.connect()
		b.want(t, b.after(time.Second), control.Up, control.Draining, control.Ready)
		b.end(t)
	})
}

func TestMinZeroSleepsAfterTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Health.Interval = 0
			a.Workers = fcgisup.Workers{Min: 0, Max: 4}
		})
		b.host.connect()
		b.after(time.Second)
		b.host.mu.Lock()
		b.host.waiting = 0
		b.host.mu.Unlock()
		b.want(t, b.after(20*time.Second), control.Up, control.Ready)
		b.want(t, b.after(30*time.Second), control.Sleeping)
		b.end(t)
	})
}

func TestAsleepUnderSystemdTheRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Limits.IdleTimeout = time.Minute
		})
		b.post(func(time.Time) { b.opt.ExitAsleep = true })
		b.after(time.Hour) // asleep from the beginning: that does not end it
		select {
		case <-b.done:
			t.Fatal("ended before it was ever awake")
		default:
		}
		b.host.connect()
		b.after(100 * time.Millisecond)
		b.host.mu.Lock()
		b.host.waiting = 0
		b.host.mu.Unlock()
		b.after(2 * time.Minute)
		select {
		case <-b.done:
		default:
			t.Fatal("still runs")
		}
		b.end(t)
	})
}

func TestParsePressure(t *testing.T) {
	avg, ok := parsePressure([]byte("some avg10=12.34 avg60=0.00 avg300=0.00 total=0\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=0\n"))
	if !ok || avg != 12.34 {
		t.Error(avg, ok)
	}
	for _, text := range []string{"", "some", "some avg10=x", "full avg10=1.0", "\n\n", "some avg60=1"} {
		if _, ok := parsePressure([]byte(text)); ok {
			t.Errorf("%q has a pressure", text)
		}
	}
	if pressed("/nonexistent") {
		t.Error("a file that is missing means pressure")
	}
}
