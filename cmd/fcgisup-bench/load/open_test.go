package load

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stub answers after a time that depends on when it is asked.
type stub struct {
	begin time.Time
	do    func(ctx context.Context, since time.Duration, path string) error
}

func (s *stub) Do(ctx context.Context, path string) error {
	return s.do(ctx, time.Since(s.begin), path)
}
func (s *stub) Close() {}

// TestStallIsSeen: a server with one place stalls for a second once. Each request that was due in that second waited, and
// says so; a client that waits for answers before it asks again would have one slow request.
func TestStallIsSeen(t *testing.T) {
	var place sync.Mutex
	stalled := false
	s := &stub{begin: time.Now(), do: func(_ context.Context, since time.Duration, _ string) error {
		place.Lock()
		defer place.Unlock()
		if since > 500*time.Millisecond && !stalled {
			stalled = true
			time.Sleep(time.Second)
		}
		return nil
	}}
	r := Run(t.Context(), s, Plan{Rate: 100, Duration: 2 * time.Second, Shares: []Share{{Path: "/", Weight: 1}}})
	if len(r.Events) != 200 || r.Failed() != 0 {
		t.Fatalf("%d requests, %v", len(r.Events), r.Failures())
	}
	if worst := r.Quantile(1); worst < 950*time.Millisecond {
		t.Errorf("the slowest took %v: the stall of 1 s is not seen", worst)
	}
	// Half of all requests were due in the stall; of these half waited for more than half of it.
	if q := r.Quantile(0.80); q < 300*time.Millisecond {
		t.Errorf("p80 is %v: only few requests have seen the stall", q)
	}
	if gap := r.LongestGap(); gap < 900*time.Millisecond {
		t.Errorf("the longest gap is %v", gap)
	}
}

// TestKnownLatencies: two shares with their own latency come out as they are.
func TestKnownLatencies(t *testing.T) {
	s := &stub{do: func(_ context.Context, _ time.Duration, path string) error {
		if path == "/slow" {
			time.Sleep(200 * time.Millisecond)
			return nil
		}
		time.Sleep(20 * time.Millisecond)
		return nil
	}}
	plan := Plan{Rate: 200, Duration: time.Second, Poisson: true, Seed: 3, Shares: []Share{{"fast", "/fast", 0.8}, {"slow", "/slow", 0.2}}}
	r := Run(t.Context(), s, plan)
	fast, slow := r.Quantile(0.5, Of(0)), r.Quantile(0.5, Of(1))
	if fast < 20*time.Millisecond || fast > 150*time.Millisecond || slow < 200*time.Millisecond || slow > 400*time.Millisecond {
		t.Errorf("medians %v and %v, want some 20 and 200 ms", fast, slow)
	}
	share := float64(r.Answered(Of(1))) / float64(len(r.Events))
	if math.Abs(share-0.2) > 0.1 {
		t.Errorf("%.2f of the requests were slow ones, want 0.2", share)
	}
}

func TestScheduleRepeats(t *testing.T) {
	plan := Plan{Rate: 1000, Duration: time.Second, Poisson: true, Seed: 7, Shares: []Share{{Weight: 1}, {Weight: 3}}}
	one, two := plan.schedule(), plan.schedule()
	if !slices.Equal(one, two) {
		t.Error("the same plan is another sequence")
	}
	if n := len(one); n < 850 || n > 1150 {
		t.Errorf("%d requests in a second at 1000 a second", n)
	}
	plan.Seed = 8
	if slices.Equal(one, plan.schedule()) {
		t.Error("another seed is the same sequence")
	}
	plan.Poisson = false
	even := plan.schedule()
	if len(even) != 1000 || even[999].at != 999*time.Millisecond {
		t.Errorf("evenly spaced: %d requests, the last at %v", len(even), even[len(even)-1].at)
	}
}

// TestEveryRequestHasAnOutcome: failures are counted by kind, what could not be sent too, and what ctx cut.
func TestEveryRequestHasAnOutcome(t *testing.T) {
	s := &stub{do: func(_ context.Context, _ time.Duration, path string) error {
		if path == "/bad" {
			return &Failure{ServerErr, errors.New("status 502")}
		}
		return nil
	}}
	r := Run(t.Context(), s, Plan{Rate: 200, Duration: 200 * time.Millisecond, Seed: 1, Shares: []Share{{Path: "/", Weight: 1}, {Path: "/bad", Weight: 1}}})
	if r.Failures()[ServerErr]+r.Answered() != 40 || r.Failed() == 0 || r.Answered() == 0 {
		t.Errorf("%d answered, %v failed, want 40 in all", r.Answered(), r.Failures())
	}

	hang := &stub{do: func(ctx context.Context, _ time.Duration, _ string) error { <-ctx.Done(); return ctx.Err() }}
	r = Run(t.Context(), hang, Plan{Rate: 100, Duration: 100 * time.Millisecond, Timeout: 200 * time.Millisecond, InFlight: 4, Shares: []Share{{Weight: 1}}})
	if kinds := r.Failures(); kinds[Timeout] != 4 || kinds[Unsent] != 6 {
		t.Errorf("with four in flight at most: %v", kinds)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begun atomic.Int32
	hang = &stub{do: func(ctx context.Context, _ time.Duration, _ string) error {
		if begun.Add(1) == 3 {
			cancel()
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	begin := time.Now()
	r = Run(ctx, hang, Plan{Rate: 100, Duration: time.Hour, Shares: []Share{{Weight: 1}}})
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it went on for %v after the end", took)
	}
	if len(r.Events) == 0 || r.Failed() != len(r.Events) {
		t.Errorf("%d requests, %d failed: what was under way must have failed", len(r.Events), r.Failed())
	}
}

// TestEnough: no more is sent, and what waits is not cut.
func TestEnough(t *testing.T) {
	enough, gate := make(chan struct{}), make(chan struct{})
	var begun atomic.Int32
	s := &stub{do: func(ctx context.Context, _ time.Duration, _ string) error {
		if begun.Add(1) == 3 {
			close(enough)
			time.AfterFunc(200*time.Millisecond, func() { close(gate) })
		}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	begin := time.Now()
	r := Run(t.Context(), s, Plan{Rate: 20, Duration: time.Hour, Shares: []Share{{Weight: 1}}, Enough: enough})
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it went on for %v", took)
	}
	if len(r.Events) < 3 || r.Failed() != 0 {
		t.Errorf("%d requests, failed: %v; want three or somewhat more, and none", len(r.Events), r.Failures())
	}
}

func TestLongestGap(t *testing.T) {
	ms := time.Millisecond
	r := &Result{Plan: Plan{Duration: 1000 * ms}, Events: []Event{
		{At: 100 * ms, Took: 50 * ms},
		{At: 200 * ms, Took: 700 * ms}, // answered at 900
		{At: 300 * ms, Took: 100 * ms, Kind: Reset},
		{At: 400 * ms, Took: 100 * ms}, // at 500
	}}
	if got, want := r.LongestGap(), 400*ms; got != want {
		t.Errorf("LongestGap = %v, want %v from 500 to 900", got, want)
	}
	if got := (&Result{Plan: Plan{Duration: 1000 * ms}}).LongestGap(); got != 1000*ms {
		t.Errorf("without any answer: %v", got)
	}
}
