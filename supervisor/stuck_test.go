package supervisor

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

func limited(a *fcgisup.App, _ *fakeHost) {
	a.Activation = fcgisup.Eager
	a.Limits.RequestTimeout = 3 * time.Second
}

func TestLongRequestIsAllowedUnlessForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.after(time.Second)
		b.host.last().set(worker.Observation{Held: 1})
		b.host.connect() // a client waits behind it
		st := b.after(long)
		b.want(t, st, control.Saturated, control.Ready)
		if n := b.host.spawned(); n != 1 {
			t.Errorf("%d spawns: the worker was replaced for a long request", n)
		}
		b.cancel()
		<-b.done
	})
}

func TestStuckRequestIsReplacedWithEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limited)
		b.after(time.Second)
		p := b.host.last()
		p.set(worker.Observation{Held: 1})
		b.host.connect() // wakes the watch
		if st := b.after(2500 * time.Millisecond); st.Restarts[control.Stuck] != 0 {
			t.Fatal("before request_timeout")
		}
		st := b.after(2 * time.Second)
		if st.Restarts[control.Stuck] != 1 || st.LastFailure.Cause != control.Stuck || !slices.Equal(st.LastFailure.Evidence, []string{"state S"}) {
			t.Fatalf("restarts %v, %+v", st.Restarts, st.LastFailure)
		}
		if sig := p.got(); sig[0] != syscall.SIGTERM {
			t.Errorf("signals %v", sig)
		}
		b.end(t)
	})
}

func TestConnectionKeptAliveIsNoStuckRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limited)
		b.after(time.Second)
		p := b.host.last()
		p.mu.Lock()
		p.rests, p.now = true, worker.Observation{Held: 1}
		p.mu.Unlock()
		b.host.connect()
		b.after(time.Second)
		b.host.mu.Lock()
		b.host.waiting = 0
		b.host.mu.Unlock()
		if st := b.after(long); st.Restarts[control.Stuck] != 0 {
			t.Fatal("killed for a connection at rest")
		}
		b.host.connect() // now a client waits for it
		if st := b.after(10 * time.Second); st.Restarts[control.Stuck] != 1 {
			t.Error("a connection at rest keeps others waiting for ever")
		}
		b.end(t)
	})
}

func TestWorkerThatDoesNotAcceptIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.after(time.Second)
		b.host.last().set(worker.Observation{}) // holds nothing, accepts nothing
		b.host.connect()
		if st := b.after(25 * time.Second); st.Restarts[control.Stuck] != 0 {
			t.Fatal("too early: it may work on after an answer")
		}
		b.host.pressedBy(true)
		if st := b.after(time.Minute); st.Restarts[control.Stuck] != 0 {
			t.Fatal("memory is short: it may wait for its pages")
		}
		b.host.pressedBy(false)
		st := b.after(10 * time.Second)
		b.want(t, st, control.Up, control.Ready)
		if st.Restarts[control.Stuck] != 1 {
			t.Errorf("restarts %v", st.Restarts)
		}
		b.end(t)
	})
}

// TestStoppedSupervisorCondemnsNobody: a supervisor that was stopped itself sees a queue before and after, and a worker that is on
// its way from one request to the next; that is not a proof that the worker has done nothing in between.
func TestStoppedSupervisorCondemnsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.after(time.Second)
		b.host.last().set(worker.Observation{Accepting: true})
		b.host.connect() // another worker's turn, for all that is known
		b.after(time.Minute)
		b.host.last().set(worker.Observation{})
		b.after(queuedEvery + queuedEvery/2)
		b.host.last().set(worker.Observation{Accepting: true})
		if st := b.after(time.Minute); st.Restarts[control.Stuck] != 0 {
			t.Errorf("stuck by a single sample: %+v", st.LastFailure)
		}
		b.end(t)
	})
}

// TestSlowStartIsNoStuckWorker: the wait of requests for a start is not held against the worker once it is ready, nor is a
// worker ready because a busy machine is late to say what it does.
func TestSlowStartIsNoStuckWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			eager(a, h)
			a.Workers = fcgisup.Workers{Min: 2, Max: 2}
			a.Limits.StartTimeout = 5 * time.Minute
			h.make = func(int) (*fakeProcess, error) {
				return &fakeProcess{now: worker.Observation{Unknown: "late", Blocked: true}}, nil
			}
		})
		b.host.connect()
		for _, w := range b.after(time.Minute).Workers {
			if w.State != control.Starting && w.State != control.Stopped {
				t.Errorf("%+v", w)
			}
		}
		first := b.host.last()
		first.set(worker.Observation{Accepting: true})
		b.after(100 * time.Millisecond)
		first.set(worker.Observation{}) // at work before it accepts again
		if st := b.after(20 * time.Second); st.Restarts[control.Stuck] != 0 {
			t.Fatalf("stuck at once: %+v", st.LastFailure)
		}
		if st := b.after(20 * time.Second); st.Restarts[control.Stuck] == 0 {
			t.Error("never stuck")
		}
		b.end(t)
	})
}

// A worker that SIGSTOP met with a request is not busy. One that is let go on
// within the limit was a debugger's.
func TestWorkerStoppedWithARequestIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.after(time.Second)
		p := b.host.last()
		p.set(worker.Observation{Held: 1})
		b.host.connect()
		b.after(long)
		for range 3 {
			p.halt(true)
			b.after(25 * time.Second)
			p.halt(false)
			if st := b.after(10 * time.Second); st.Restarts[control.Stuck] != 0 {
				t.Fatalf("replaced after a while of being stopped: %+v", st.LastFailure)
			}
		}
		p.halt(true)
		if st := b.after(35 * time.Second); st.Restarts[control.Stuck] != 1 {
			t.Errorf("restarts %v", st.Restarts)
		}
		b.end(t)
	})
}

func TestOldAndLargeWorkersAreReplacedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Activation = fcgisup.Eager
			a.Workers = fcgisup.Workers{Min: 3, Max: 3}
			a.Limits.MaxAge = time.Hour
		})
		if st := b.after(53 * time.Minute); st.Exits[control.Age] != 0 {
			t.Fatal("recycled before nine tenths of max_age")
		}
		st := b.after(8 * time.Minute)
		b.want(t, st, control.Up, control.Ready, control.Ready, control.Ready)
		if st.Exits[control.Age] != 3 {
			t.Errorf("restarts %v", st.Restarts)
		}
		b.post(func(time.Time) { b.app.Limits.MaxAge, b.app.Limits.MaxMemory = 0, 1<<19 }) // all weigh 1 MiB
		b.post(func(now time.Time) { b.recycleAt = b.planRecycle(now) })
		st = b.after(2 * time.Minute)
		if st.Exits[control.Memory] < 3 || len(st.Workers) > 4 {
			t.Errorf("restarts %v, %d workers", st.Restarts, len(st.Workers))
		}
		b.end(t)
	})
}

// TestTurn: processes share the first lock that exists, and none that others can open.
func TestTurn(t *testing.T) {
	dir := t.TempDir()
	paths := []string{dir + "/none", dir + "/open", dir + "/1", dir + "/2"}
	if err := os.WriteFile(paths[1], nil, 0o644); err != nil {
		t.Fatal(err)
	}
	a, b := newRecycleLock(paths[2], paths), newRecycleLock(paths[3], paths)
	if !a.take() || a.take() || b.take() {
		t.Fatal("two at a time")
	}
	a.done()
	if !b.take() {
		t.Error("never the other's turn")
	}
	b.done()
	if c := newRecycleLock("", []string{dir + "/none"}); !c.take() {
		t.Error("a missing file keeps it waiting")
	}
}
