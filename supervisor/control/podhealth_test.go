package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestPodHealth is the table of what an orchestrator is told.
func TestPodHealth(t *testing.T) {
	t.Parallel()
	now := time.Now()
	limits := HealthLimits{StartTimeout: time.Minute, MaxDelay: 30 * time.Second, StopTimeout: 30 * time.Second, ReadyQueue: 10}
	long := 9
	full := 10
	worker := func(s State, age time.Duration) WorkerStatus {
		return WorkerStatus{PID: 7, State: s, Since: now.Add(-age)}
	}
	one := func(state InstanceState, age time.Duration, queue *int, workers ...WorkerStatus) []Status {
		return []Status{{App: "rt", Instance: 1, State: state, Since: now.Add(-age), Queue: queue, Workers: workers}}
	}
	for _, c := range []struct {
		name                string
		all                 []Status
		live, ready, begun  bool
		whyLive, whyNoReady string
	}{
		{"up", one(Up, 0, nil, worker(Ready, 0)), true, true, true, "", ""},
		{"sleeping wakes with a request", one(Sleeping, 0, nil), true, true, true, "", ""},
		{"starting", one(InstanceStarting, 0, nil, worker(Starting, 0)), true, false, false, "", "has no ready worker"},
		{"saturated", one(Saturated, 0, &long, worker(Ready, 0)), true, true, true, "", ""},
		{"a queue that is too long", one(Saturated, 0, &full, worker(Ready, 0)), true, false, true, "", "10 connections in its queue"},
		{"stopping", one(InstanceStopping, 0, nil, worker(Draining, 0)), true, false, false, "", "stops"},
		{"failing for a minute", one(InstanceFailing, time.Minute, nil, worker(Failing, 0)), true, false, false, "", "has no ready worker"},
		{"failing for long", one(InstanceFailing, 3*time.Minute, nil, worker(Failing, 0)), false, false, false, "no ready worker for 3m0s", "has no ready worker"},
		{"a worker that cannot be killed", one(Up, 0, nil, worker(Ready, 0), worker(Killing, 2*time.Minute)), false, true, true, "worker 7 of rt@1 does not end", ""},
		{"one instance of two", append(one(InstanceFailing, 0, nil), one(Up, 0, nil, worker(Ready, 0))...), true, true, true, "", ""},
		{"none", nil, true, false, false, "", "no instance"},
	} {
		live, why := PodLive(c.all, now, limits)
		if live != c.live || !strings.Contains(why, c.whyLive) {
			t.Errorf("%s: live %v, %q", c.name, live, why)
		}
		ready, why := PodReady(c.all, limits)
		if ready != c.ready || !strings.Contains(why, c.whyNoReady) {
			t.Errorf("%s: ready %v, %q", c.name, ready, why)
		}
		if begun, _ := PodStarted(c.all); begun != c.begun {
			t.Errorf("%s: started %v", c.name, begun)
		}
	}
	limits.ReadyQueue = 0
	if ready, _ := PodReady(one(Saturated, 0, &full, worker(Ready, 0)), limits); !ready {
		t.Error("a long queue is not ready although health.ready_queue is 0")
	}
}

// TestPodHandler: the verdicts are status codes, and a pod that drains is live but not ready.
func TestPodHandler(t *testing.T) {
	t.Parallel()
	alive, draining := true, false
	p := Pod{
		Status: func(context.Context, int) []Status { return []Status{{State: Sleeping}} },
		Alive:  func(context.Context) bool { return alive }, Draining: func() bool { return draining },
		Limits: func() HealthLimits { return HealthLimits{} },
	}
	h := p.Handler()
	get := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code
	}
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		if code := get(path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	draining = true
	if got := [2]int{get("/livez"), get("/readyz")}; got != [2]int{200, 503} {
		t.Errorf("while it drains: %v", got)
	}
	alive = false
	if code := get("/livez"); code != http.StatusServiceUnavailable {
		t.Errorf("a loop that hangs: %d", code)
	}
}
