package supervisor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// overload has so many come and leave every 100 ms.
func (b *bench) overload(t *testing.T, d time.Duration, come, leave int) *control.Status {
	t.Helper()
	for range d / (100 * time.Millisecond) {
		b.host.mu.Lock()
		left := min(leave, b.host.waiting)
		b.host.head += left
		b.host.waiting += come - left
		b.host.mu.Unlock()
		b.after(100 * time.Millisecond)
	}
	return &b.status.Load().Status
}

// limits are those that the queue was given, less repetitions.
func (b *bench) limits() []int {
	b.host.mu.Lock()
	defer b.host.mu.Unlock()
	return slices.Compact(slices.Clone(b.host.limits))
}

// busyBench is an instance whose four workers are busy for good.
func busyBench(t *testing.T, change func(*fcgisup.App, *fakeHost)) *bench {
	t.Helper()
	b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
		a.Activation = fcgisup.Eager
		a.Workers = fcgisup.Workers{Min: 4, Max: 4}
		a.Health.Interval = 0
		a.Limits.QueueWait = time.Second
		h.bounded = true
		h.make = func(int) (*fakeProcess, error) {
			return &fakeProcess{now: worker.Observation{Accepting: true, Held: 1}}, nil
		}
		if change != nil {
			change(a, h)
		}
	})
	b.after(time.Second)
	b.host.mu.Lock()
	b.host.limits = nil
	b.host.mu.Unlock()
	return b
}

func TestStandingQueueIsLimitedAndOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := busyBench(t, nil)
		st := b.overload(t, 3*time.Second, 6, 2)
		// Twenty per second are served; the kernel's own limit is 16 in these tests.
		if got := b.limits(); len(got) != 1 || got[0] < 4 || got[0] > 16 {
			t.Errorf("limits %v", got)
		}
		if st.QueueLimited != 1 {
			t.Errorf("limited %d times", st.QueueLimited)
		}
		asked := *b.status.Load()
		asked.complete(scoreboard.Queue{Length: 9, Capacity: scoreboard.KnownLimit(7)}, nil)
		if st := asked; *st.QueueLimit != 7 || *st.Backlog != 16 {
			t.Errorf("limit %d, backlog %d", *st.QueueLimit, *st.Backlog)
		}
		b.overload(t, 15*time.Second, 0, 2)
		if got := b.limits(); got[len(got)-1] != 0 {
			t.Errorf("limits %v, want the last to be the configured one", got)
		}
		b.end(t)
	})
}

// TestBacklogIsKept where a program calls listen(2) with a backlog of its own, also where the queue is never limited.
func TestBacklogIsKept(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"bounded": time.Second, "not bounded": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := busyBench(t, func(a *fcgisup.App, h *fakeHost) {
					a.Limits.QueueWait = wait
					h.lowered = 11 // before the first look
				})
				for range 3 {
					b.after(time.Second)
					b.host.mu.Lock()
					if b.host.lowered != 0 {
						t.Errorf("the queue takes %d, want 16", 16-b.host.lowered)
					}
					if len(b.host.limits) > 1 {
						t.Errorf("listen(2) was called again and again: %v", b.host.limits)
					}
					b.host.lowered, b.host.limits = 11, nil
					b.host.mu.Unlock()
				}
				b.end(t)
			})
		})
	}
}

// TestQueueIsNotLimited wherever requests wait for something else than busy workers.
func TestQueueIsNotLimited(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fcgisup.App, *fakeHost){
		"off":                     func(a *fcgisup.App, _ *fakeHost) { a.Limits.QueueWait = 0 },
		"on TCP":                  func(_ *fcgisup.App, h *fakeHost) { h.bounded = false },
		"while the pool can grow": func(a *fcgisup.App, _ *fakeHost) { a.Workers = fcgisup.Workers{Min: 1, Max: 250} },
		"while workers start": func(_ *fcgisup.App, h *fakeHost) {
			h.make = func(int) (*fakeProcess, error) { return &fakeProcess{}, nil }
		},
		"while workers fail": func(_ *fcgisup.App, h *fakeHost) {
			h.make = func(int) (*fakeProcess, error) { return &fakeProcess{lives: time.Second}, nil }
		},
		"while half of the workers start": func(_ *fcgisup.App, h *fakeHost) {
			h.make = func(n int) (*fakeProcess, error) {
				return &fakeProcess{now: worker.Observation{Accepting: n <= 2, Held: min(n, 3) % 3}}, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := busyBench(t, change)
				b.overload(t, 5*time.Second, 6, 2)
				if got := b.limits(); len(got) > 0 {
					t.Errorf("limits %v", got)
				}
				b.end(t)
			})
		})
	}
}

// TestShortMemoryLimitsThePool: it cannot grow, so that the queue is all there is to limit.
func TestShortMemoryLimitsThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := busyBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Workers = fcgisup.Workers{Min: 1, Max: 8}
			h.short = true
		})
		b.overload(t, 4*time.Second, 6, 2)
		if got := b.limits(); len(got) == 0 {
			t.Error("not limited")
		}
		b.end(t)
	})
}

// TestRestartOpensTheQueue for as long as it takes, and so does the end.
func TestRestartOpensTheQueue(t *testing.T) {
	for name, act := range map[string]func(b *bench){
		"restart": func(b *bench) {
			b.post(func(now time.Time) { b.beginRoll(control.Operator, b.app, b.launch, make(chan error, 1), now) })
		},
		"stop":  func(b *bench) { b.cancel() },
		"sleep": func(b *bench) { b.post(b.sleep) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := busyBench(t, nil)
				b.overload(t, 3*time.Second, 6, 2)
				act(b)
				b.after(500 * time.Millisecond)
				if got := b.limits(); len(got) != 2 || got[1] != 0 {
					t.Errorf("limits %v, want one and then the configured one", got)
				}
				b.end(t)
			})
		})
	}
}

// TestWorkersThatComeAndGo are php-cgi's: one ends every 500 requests, and that must
// not have the queue forget that it stands.
func TestWorkersThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := busyBench(t, nil)
		b.overload(t, 3*time.Second, 6, 2)
		for range 10 {
			b.host.last().die(0)
			b.overload(t, 300*time.Millisecond, 2, 2)
		}
		if st := b.status.Load(); st.QueueLimited != 1 {
			t.Errorf("limited %d times, want once", st.QueueLimited)
		}
		if got := b.limits(); got[len(got)-1] == 0 {
			t.Errorf("limits %v", got)
		}
		b.end(t)
	})
}

// TestForgottenLimitIsTakenBack: that of a supervisor that was killed, on a socket that
// systemd holds.
func TestForgottenLimitIsTakenBack(t *testing.T) {
	t.Parallel()
	b := prepare(t, "serve")
	capacity := func() int {
		q, err := b.sockets[b.app.Instance(1)].Listener().Queue()
		if err != nil {
			t.Skipf("the queue cannot be read here: %v", err)
		}
		n, known := q.Capacity.Value()
		if !known {
			t.Skip("the limit of the queue is not known here")
		}
		return n
	}
	if err := b.sockets[b.app.Instance(1)].Listener().SetBacklog(3); err != nil {
		t.Fatal(err)
	}
	sup, err := New(b.sup.opt)
	if err != nil {
		t.Fatal(err)
	}
	b.sup = sup
	if got := capacity(); got != b.app.Socket.Backlog {
		t.Errorf("the limit is %d, want %d", got, b.app.Socket.Backlog)
	}
	b.start()
}
