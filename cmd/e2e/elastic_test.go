package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// backWithin is the window of 30 s for which the workers of a peak are kept, and a margin: one goes at each look.
const backWithin = 75 * time.Second

// TestElastic: workers follow the load from 1 client to 32 and back to none, or to a light load, which touches all
// workers in turn and does not keep those that it does not need.
func TestElastic(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	for name, left := range map[string]struct{ clients, workers int }{"to one client": {1, 3}, "to none": {0, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newConfigured(t, "pool", fmt.Sprintf("command: [%s]\nworkers: {min: 1, max: 8, spare: 1}\nhealth: {interval: 1s}", appPath(t, "hello.pl")))
			ask := s.asks("/sleep?ms=20", nil)
			light := startLoad(1, ask)
			light.goesOn(t, 40)
			if n := len(s.one(t).Workers); n > 3 {
				t.Errorf("%d workers for one client", n)
			}
			s.peak(t, ask)
			if left.clients == 0 {
				light.end(t, "one client")
			}
			s.shrinks(t, left.workers)
			if left.clients > 0 {
				light.end(t, "one client")
			}
			s.scaled(t)
		})
	}
}

// peak has 31 clients more, until all workers are there.
func (s *supervised) peak(t *testing.T, ask func() error) {
	t.Helper()
	heavy := startLoad(31, ask)
	begin := time.Now()
	s.until(t, 30*time.Second, settled(8))
	t.Logf("8 workers %v after the load came", time.Since(begin).Round(10*time.Millisecond))
	heavy.goesOn(t, 100)
	heavy.end(t, "31 clients more")
}

// shrinks waits until so many workers are left, which takes as long as those of a peak are kept.
func (s *supervised) shrinks(t *testing.T, most int) {
	t.Helper()
	begin := time.Now()
	st := s.until(t, backWithin, func(st control.Status) error {
		if n := len(st.Workers); n > most {
			return fmt.Errorf("%d workers", n)
		}
		return nil
	})
	took := time.Since(begin)
	t.Logf("%d workers %v after it went", len(st.Workers), took.Round(100*time.Millisecond))
	if took < 25*time.Second {
		t.Errorf("the workers of the peak were kept for %v only", took)
	}
}

// scaled checks what is told of it.
func (s *supervised) scaled(t *testing.T) {
	t.Helper()
	st := s.one(t)
	if st.Cut != 0 || st.Exits[control.Scale] == 0 || st.Scaled[control.Upward] == 0 || st.Scaled[control.Downward] == 0 {
		t.Errorf("%s, scaled %v", describe(st), st.Scaled)
	}
	if up := s.metric(t, `fcgisup_scale_events_total{app="pool",direction="up",instance="1"}`); up != float64(st.Scaled[control.Upward]) {
		t.Errorf("metric says %g times up, status %v", up, st.Scaled)
	}
	if ended, gone := st.Exits[control.Scale], st.Restarts[control.Crash]+st.Exits[control.Finished]; gone > 0 {
		t.Errorf("%d ended to scale, %d by themselves", ended, gone)
	}
}

// TestQueueMakesGrow: no spare, and the only worker busy: who waits is reason enough, and comes before the probe.
func TestQueueMakesGrow(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "grow", fmt.Sprintf("command: [%s]\nworkers: {min: 1, max: 3}", appPath(t, "hello.pl")))
	s.hello(t, nil)
	release := filepath.Join(s.dir, "release")
	long := s.sends("/until?" + release)
	s.until(t, 5*time.Second, func(st control.Status) error {
		if *st.InFlight != 1 {
			return fmt.Errorf("in flight %d", *st.InFlight)
		}
		return nil
	})
	next := <-s.sends("/") // it would wait for the other, and that waits for us
	answeredBy(t, next)
	t.Logf("who came second waited %v", next.took.Round(time.Millisecond))
	writeFile(t, release, "")
	answeredBy(t, <-long)
}
