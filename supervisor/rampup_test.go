package supervisor

import (
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// sharedCores is a machine whose processes share its cores fairly. A worker starts, then
// takes one connection after the other.
type sharedCores struct {
	coldProgram
	host  *fakeHost
	cores int

	mu       sync.Mutex
	tasks    []*coreTask
	answered []time.Time
}

type coldProgram struct {
	// start is what a worker's start takes of a core, compile what its first page does.
	start, compile time.Duration
	// sleepy has the start sleep instead, holds has each request sleep for so long.
	sleepy bool
	holds  time.Duration
	// forked has workers forked from a template, which is what takes the time of a start.
	forked bool
}

type coreTask struct {
	left time.Duration
	done func()
}

// slice is what a core works at a time.
func (m *sharedCores) slice() time.Duration { return m.start / 50 }

// turn shares the cores among the tasks for one slice.
func (m *sharedCores) turn() {
	m.mu.Lock()
	share := m.slice()
	if n := len(m.tasks); n > m.cores {
		share = share * time.Duration(m.cores) / time.Duration(n)
	}
	var done []func()
	rest := m.tasks[:0]
	for _, task := range m.tasks {
		if task.left -= share; task.left <= 0 {
			done = append(done, task.done)
		} else {
			rest = append(rest, task)
		}
	}
	m.tasks = rest
	m.mu.Unlock()
	for _, f := range done {
		f()
	}
}

func (m *sharedCores) work(d time.Duration, done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks = append(m.tasks, &coreTask{d, done})
}

func (m *sharedCores) spawn(n int) (*fakeProcess, error) {
	p := &fakeProcess{asleep: m.sleepy}
	if m.forked {
		if n > 1 { // the first is the template
			m.work(m.slice(), func() { m.accept(p, true) })
		}
	} else if m.sleepy {
		time.AfterFunc(m.start, func() { m.accept(p, true) })
	} else {
		m.work(m.start, func() { m.accept(p, true) })
	}
	return p, nil
}

// accept has a worker take the next connection, now or as soon as there is one.
func (m *sharedCores) accept(p *fakeProcess, first bool) {
	m.host.mu.Lock()
	taken := m.host.waiting > 0
	if taken {
		m.host.waiting--
	}
	m.host.mu.Unlock()
	if !taken {
		p.set(worker.Observation{Accepting: true})
		time.AfterFunc(m.slice(), func() { m.accept(p, first) })
		return
	}
	p.set(worker.Observation{Held: 1})
	page := m.slice()
	if first {
		page = m.compile
	}
	m.work(page, func() {
		time.AfterFunc(m.holds, func() {
			m.mu.Lock()
			m.answered = append(m.answered, time.Now())
			m.mu.Unlock()
			m.accept(p, false)
		})
	})
}

// run wakes a pool of n workers by requests, and returns after how long all were answered.
func (m *sharedCores) run(t *testing.T, n, requests int) time.Duration {
	t.Helper()
	m.cores = runtime.GOMAXPROCS(0)
	begun := time.Now()
	var b *bench
	quit := make(chan struct{})
	go func() {
		for tick := time.NewTicker(m.slice()); ; {
			select {
			case <-tick.C:
				m.turn()
			case <-quit:
				return
			}
		}
	}()
	b = newBench(t, func(a *fcgisup.App, h *fakeHost) {
		a.Workers = fcgisup.Workers{Min: n, Max: n}
		if m.forked {
			a.Workers.Prefork, h.fates = fcgisup.Prefork{Language: fcgisup.PreforkPerl}, always("")
		}
		a.Limits.StartTimeout, a.Health.Interval = time.Hour, 0
		h.waiting, h.make, m.host = requests, m.spawn, h
	})
	all := func() int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.answered)
	}
	for all() < requests && time.Since(begun) < time.Hour {
		b.after(m.slice())
	}
	took := time.Since(begun)
	if got := len(b.after(time.Duration(n+2) * (m.start + restsFor + slowestCheck)).Workers); got != n {
		t.Errorf("%d workers in the end, want %d", got, n)
	}
	close(quit)
	b.end(t)
	return took
}

// TestColdPoolIsNoSlower: neither one request that wakes a pool, nor several at once, wait
// longer than where each has a process of its own that starts with it, on fast machines
// and slow ones.
func TestColdPoolIsNoSlower(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	n := 2*cores + 1
	for name, m := range map[string]coldProgram{
		"fast":                    {start: 50 * time.Millisecond, compile: 20 * time.Millisecond},
		"slow":                    {start: 4 * time.Second, compile: 2 * time.Second},
		"slow, and slow requests": {start: 4 * time.Second, compile: time.Second, holds: 20 * time.Second},
		"asleep":                  {start: 4 * time.Second, compile: 20 * time.Millisecond, sleepy: true},
		"asleep, slow requests":   {start: 4 * time.Second, compile: 20 * time.Millisecond, sleepy: true, holds: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				one, many := &sharedCores{coldProgram: m}, &sharedCores{coldProgram: m}
				alone := m.start + m.compile + m.holds
				if took := one.run(t, n, 1); took > alone+alone/10 {
					t.Errorf("one request: %s, a process of its own takes %s", took, alone)
				}
				each := alone
				if !m.sleepy {
					each = (m.start+m.compile)*time.Duration(n)/time.Duration(cores) + m.holds
				}
				if took := many.run(t, n, n); took > each+each/5 {
					t.Errorf("%d at once: %s, processes of their own take %s", n, took, each)
				}
			})
		})
	}
}

// TestForkedPoolCompilesOnce: of several requests that wake a pool with a template, the first worker answers all, having
// compiled the page once, unless they take long.
func TestForkedPoolCompilesOnce(t *testing.T) {
	n := 2*runtime.GOMAXPROCS(0) + 1
	for name, m := range map[string]coldProgram{
		"quick requests": {start: time.Second, compile: time.Second, forked: true},
		"slow requests":  {start: time.Second, compile: time.Second, forked: true, holds: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				one, many := &sharedCores{coldProgram: m}, &sharedCores{coldProgram: m}
				alone, all := one.run(t, n, 1), many.run(t, n, n)
				if all > alone*13/10 {
					t.Errorf("%d requests at once: %s, one: %s", n, all, alone)
				}
			})
		})
	}
}

// TestColdPool: what waits decides how many workers start at first, and the others follow.
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
				time.AfterFunc(takes, func() { p.set(worker.Observation{Accepting: true}) })
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
	t.Run("a first worker that fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := cold(t, 1, time.Hour, func(a *fcgisup.App) { a.Limits.StartTimeout = 10 * time.Second })
			if n := len(b.after(9 * time.Second).Workers); n != 1 {
				t.Errorf("%d workers start at first, want 1", n)
			}
			if n := len(b.after(2 * time.Second).Workers); n != workers {
				t.Errorf("%d workers after it has failed, want %d", n, workers)
			}
			b.end(t)
		})
	})
	t.Run("a first request that takes long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
				a.Workers = fcgisup.Workers{Min: workers, Max: workers}
				h.waiting = 1
				h.make = func(int) (*fakeProcess, error) {
					p := &fakeProcess{}
					time.AfterFunc(start, func() {
						p.set(worker.Observation{Held: 1})
						h.mu.Lock()
						h.waiting = 0
						h.mu.Unlock()
					})
					return p, nil
				}
			})
			if n := len(b.after(start + start*3/4).Workers); n != 1 {
				t.Errorf("%d workers while the first one serves, want 1", n)
			}
			if n := len(b.after(time.Duration(workers) * 2 * start).Workers); n != workers {
				t.Errorf("%d workers in the end, want %d", n, workers)
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
			if n := len(b.after(time.Duration(workers+1) * start).Workers); n != workers {
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
	i := newInstance(app.Instance(1), app, worker.Launch{}, nil, &Options{Log: slog.New(slog.DiscardHandler)}, oneInstance())
	i.phase, i.watching, i.want, i.cold = phaseAwake, true, 2, cold{on: true, took: time.Second, next: time.Unix(2, 0)}
	i.app.Workers = fcgisup.Workers{Min: 2, Max: 2}
	i.slots = []*slot{{m: worker.Machine{State: control.Starting, Up: true}}}
	if !i.nextDue().Equal(i.cold.next) {
		t.Error("it does not come back for the workers that it holds back")
	}
	i.phase = phaseLeaving
	if next := i.nextDue(); !next.IsZero() {
		t.Errorf("it comes back at %s, for nothing", next)
	}
}
