package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

func TestTrialBlamesOneDeath(t *testing.T) {
	const worker, other = 7, 8
	late := epoch.Add(2 * time.Second)
	var none *pingTrial
	out := &pingTrial{}
	refused := &pingTrial{answered: true, verdict: control.PingNone, until: epoch.Add(time.Second)}
	good := &pingTrial{answered: true, verdict: control.PingAnswers, until: epoch.Add(time.Second)}
	seen := &pingTrial{holder: worker}
	for name, c := range map[string]struct {
		trial  *pingTrial
		worker int
		clean  bool
		at     time.Time
		want   bool
	}{
		"no trial":                         {none, worker, false, epoch, false},
		"before an answer":                 {out, worker, false, late, true},
		"status 0 before an answer":        {out, worker, true, epoch, true},
		"right after none":                 {refused, worker, false, epoch, true},
		"long after it":                    {refused, worker, false, late, false},
		"a crash right after an answer":    {good, worker, false, epoch, true},
		"status 0 right after an answer":   {good, worker, true, epoch, false},
		"the worker that has taken it":     {seen, worker, false, epoch, true},
		"one that another was seen taking": {seen, other, false, epoch, false},
		"a second death":                   {&pingTrial{died: true}, worker, false, epoch, false},
	} {
		if got := c.trial.blames(c.worker, c.clean, c.at); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// queue makes so many connections wait.
func (h *fakeHost) queue(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = n
}

// counted makes pings find a result, and counts them.
func (b *bench) counted(r control.ProbeResult) *atomic.Int32 {
	n := new(atomic.Int32)
	b.answer(func(context.Context) control.ProbeResult { n.Add(1); return r })
	return n
}

func TestProgramThatAnswersAPingIsPingedFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		n := b.counted(control.ProbeResult{})
		st := b.after(4 * time.Second)
		if n.Load() != 1 || st.Probe == nil || st.Probe.Ping != control.PingAnswers || !st.Probe.OK {
			t.Fatalf("%d pings, %+v", n.Load(), st.Probe)
		}
		b.after(50 * time.Second)
		if n.Load() < 5 {
			t.Errorf("%d pings in a minute", n.Load())
		}
		b.counted(control.ProbeResult{Err: errors.New("no answer"), Class: "protocol"}) // from now on the usual rules
		if st := b.after(time.Minute); st.Restarts[control.Probe] == 0 {
			t.Errorf("restarts %v", st.Restarts)
		}
		b.end(t)
	})
}

func TestProgramThatAnswersNoPingIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		n := b.counted(control.ProbeResult{Err: errors.New("no answer"), Class: fcgisup.ProbeTimeout})
		b.after(5 * time.Second)
		b.host.last().die(1) // of itself
		st := b.after(long)
		if n.Load() != 1 || st.Restarts[control.Probe] != 0 || st.Exits[control.Pinged] != 0 || st.Restarts[control.Crash] != 1 {
			t.Errorf("%d pings, restarts %v", n.Load(), st.Restarts)
		}
		if p := st.Probe; p == nil || p.Ping != control.PingNone || !p.OK || p.Failures != 0 {
			t.Errorf("%+v", p)
		}
		b.end(t)
	})
}

func TestDeathByPingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		pings := 0
		b.answer(func(context.Context) control.ProbeResult {
			pings++
			b.host.last().die(1)
			return control.ProbeResult{Err: errors.New("reset"), Class: "protocol"}
		})
		st := b.after(long)
		b.want(t, st, control.Up, control.Ready)
		if pings != 1 || b.host.spawned() != 2 || st.Exits[control.Pinged] != 1 || st.Restarts[control.Crash] != 0 || st.LastFailure != nil {
			t.Errorf("%d pings, %d spawns, restarts %v, %+v", pings, b.host.spawned(), st.Restarts, st.LastFailure)
		}
		b.host.last().die(1)
		if st := b.after(long); st.Restarts[control.Crash] != 1 || pings != 1 {
			t.Errorf("%d pings, restarts %v: a later crash is a crash", pings, st.Restarts)
		}
		b.end(t)
	})
}

// A program that is replaced by one that dies of pings, under the same command, is pinged twice more.
func TestDeathByALaterPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		pings := 0
		b.answer(func(context.Context) control.ProbeResult {
			if pings++; pings <= 3 {
				return control.ProbeResult{}
			}
			b.host.last().die(1)
			return control.ProbeResult{Err: errors.New("reset"), Class: "protocol"}
		})
		st := b.after(long)
		b.want(t, st, control.Up, control.Ready)
		if pings != 5 || b.host.spawned() != 3 || st.Exits[control.Pinged] != 2 || st.Restarts[control.Crash] != 0 || st.Probe.Ping != control.PingNone {
			t.Errorf("%d pings, %d spawns, restarts %v, %+v", pings, b.host.spawned(), st.Restarts, st.Probe)
		}
		b.end(t)
	})
}

// A crash beside a ping that is answered is a crash.
func TestCrashBesideAPingIsACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		n := b.counted(control.ProbeResult{})
		st := b.after(30 * time.Second)
		if st.Probe.Ping != control.PingAnswers || !st.Probe.OK {
			t.Fatalf("%+v", st.Probe)
		}
		before := n.Load()
		for n.Load() == before {
			b.after(10 * time.Millisecond)
		}
		b.host.last().die(1)
		if st := b.after(time.Second); st.Restarts[control.Crash] != 1 || st.Exits[control.Pinged] != 0 {
			t.Errorf("restarts %v", st.Restarts)
		}
		b.end(t)
	})
}

// While a ping is under way another worker ends, for a reason of its own: the ping waits at a worker, or in the queue, or
// the one that ends was busy before.
func TestCrashOfAnotherWorkerThanThePingsIsACrash(t *testing.T) {
	for _, at := range []int{1, 3} {
		for _, where := range []string{"worker", "queue", "busy"} {
			if at == 1 && where == "busy" {
				continue // there is no first ping then
			}
			t.Run(fmt.Sprintf("ping %d, %s", at, where), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
						a.Activation = fcgisup.Eager
						a.Workers = fcgisup.Workers{Min: 2, Max: 2}
					})
					var pings atomic.Int32
					b.answer(func(context.Context) control.ProbeResult {
						if int(pings.Add(1)) != at {
							return control.ProbeResult{}
						}
						first, second := b.host.nth(0), b.host.nth(1)
						switch where {
						case "worker":
							first.set(worker.Observation{Held: 1})
						case "queue":
							b.host.queue(1)
						}
						second.die(1)
						time.Sleep(500 * time.Millisecond)
						first.set(worker.Observation{Accepting: true})
						b.host.queue(0)
						return control.ProbeResult{}
					})
					if where == "busy" {
						for int(pings.Load()) < at-1 {
							b.after(100 * time.Millisecond)
						}
						b.after(time.Second)
						b.host.nth(1).set(worker.Observation{Held: 1})
						b.host.connected()
					}
					st := b.after(time.Minute)
					if st.Exits[control.Pinged] != 0 || st.Restarts[control.Crash] != 1 || st.Probe == nil || st.Probe.Ping != control.PingAnswers {
						t.Errorf("%d pings, exits %v, restarts %v, %+v", pings.Load(), st.Exits, st.Restarts, st.Probe)
					}
					b.end(t)
				})
			})
		}
	}
}

func TestOnlyOneOfSeveralDeathsIsThePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Activation = fcgisup.Eager
			a.Workers = fcgisup.Workers{Min: 3, Max: 3}
		})
		b.answer(func(context.Context) control.ProbeResult {
			for _, p := range slices.Clone(b.host.procs)[:2] {
				p.die(1)
			}
			return control.ProbeResult{Unsupported: true}
		})
		st := b.after(time.Minute)
		if st.Exits[control.Pinged] != 1 || st.Restarts[control.Crash] != 1 {
			t.Errorf("restarts %v", st.Restarts)
		}
		b.end(t)
	})
}

func TestNoFirstPingWhileSomebodyIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Activation = fcgisup.Eager
			a.Workers = fcgisup.Workers{Min: 2, Max: 2}
		})
		n := b.counted(control.ProbeResult{})
		b.host.last().set(worker.Observation{Held: 1})
		b.host.connected()
		if b.after(time.Minute); n.Load() != 0 {
			t.Fatal("pinged while a worker serves: it may be the one that dies")
		}
		b.host.last().set(worker.Observation{Accepting: true})
		if b.after(5 * time.Second); n.Load() != 1 {
			t.Errorf("%d pings", n.Load())
		}
		b.end(t)
	})
}

func TestVerdictOfPingsOutlivesAReloadOfTheSameCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		n := b.counted(control.ProbeResult{Unsupported: true})
		b.after(5 * time.Second)
		roll := func(app fcgisup.App, l worker.Launch) {
			reply := make(chan error, 1)
			b.post(func(now time.Time) { b.beginRoll(control.Reload, app, l, reply, now) })
			if err := <-reply; err != nil {
				t.Fatal(err)
			}
		}
		app := b.app
		app.Limits.StopTimeout = time.Second
		roll(app, b.launch)
		if st := b.after(time.Minute); n.Load() != 1 || st.Probe == nil || st.Probe.Ping != control.PingNone {
			t.Fatalf("%d pings, %+v", n.Load(), st.Probe)
		}
		asks := app
		asks.Health.Path = "/"
		roll(asks, b.launch)
		if st := b.after(15 * time.Second); st.Probe == nil || st.Probe.Ping != control.PingUntried || n.Load() < 2 {
			t.Fatalf("%d probes, %+v: with a path it is probed", n.Load(), st.Probe)
		}
		n = b.counted(control.ProbeResult{})
		changed := b.launch
		changed.Argv = []string{"/bin/other"}
		roll(app, changed)
		if st := b.after(5 * time.Second); n.Load() != 1 || st.Probe == nil || st.Probe.Ping != control.PingAnswers {
			t.Errorf("%d pings, %+v: another command deserves its own", n.Load(), st.Probe)
		}
		b.end(t)
	})
}

// A worker that sits on the first ping for ever was made useless by us.
func TestWorkerThatHangsOnTheFirstPingIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.answer(func(ctx context.Context) control.ProbeResult {
			b.host.last().set(worker.Observation{Held: 1})
			b.host.connected()
			<-ctx.Done()
			b.host.last().set(worker.Observation{Orphans: 1})
			return control.ProbeResult{Err: ctx.Err(), Class: fcgisup.ProbeTimeout}
		})
		st := b.after(time.Minute)
		b.want(t, st, control.Up, control.Ready)
		if st.Exits[control.Pinged] != 1 || st.LastFailure != nil || st.Probe.Ping != control.PingNone {
			t.Errorf("restarts %v, %+v", st.Restarts, st.Probe)
		}
		b.end(t)
	})
}

func TestPingBookHasOneTrialAtATime(t *testing.T) {
	var b pingBook
	one, two := &instance{}, &instance{}
	of := pinged{launch: worker.Launch{Argv: []string{"/a"}}}
	if !b.begin(of, one) || b.begin(of, two) || !b.begin(of, one) {
		t.Error("two try at the same time")
	}
	b.conclude(of, control.PingUntried)
	if !b.begin(of, two) {
		t.Error("no instance tries again")
	}
	b.conclude(of, control.PingNone)
	other := of
	other.launch.Dir = "/srv"
	if b.begin(of, one) || b.verdict(of) != control.PingNone || b.verdict(other) != control.PingUntried {
		t.Error("the verdict is not that of this program alone")
	}
	for n := range 2 * maxPinged {
		other.launch.UID = n
		b.verdict(other)
	}
	if len(b.entries) != maxPinged {
		t.Errorf("%d entries", len(b.entries))
	}
}

func TestVerdictOfPingsIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.counted(control.ProbeResult{Unsupported: true})
		b.after(5 * time.Second)
		var m HandedInstance
		done := make(chan struct{})
		b.post(func(time.Time) { m = b.snapshot(&listen.Socket{}); close(done) })
		<-done
		heir := newInstance(b.in, b.app, b.launch, b.host, &Options{Log: b.log}, oneInstance())
		m.Slots = nil
		heir.restore(m, nil)
		if v := heir.pingVerdict(); v != control.PingNone {
			t.Errorf("the successor knows %q", v)
		}
		b.end(t)
	})
}

// TestSignalsFromOutsideAreNoPing: a worker that is killed from outside has not ended of a ping; one that breaks may have.
func TestSignalsFromOutsideAreNoPing(t *testing.T) {
	t.Parallel()
	for signal, want := range map[syscall.Signal]bool{
		syscall.SIGKILL: true, syscall.SIGTERM: true, syscall.SIGSEGV: false, syscall.SIGABRT: false, syscall.SIGPIPE: false,
	} {
		if got := (worker.Exit{Status: syscall.WaitStatus(signal)}).Sent(); got != want {
			t.Errorf("sent() of %v = %v, want %v", signal, got, want)
		}
	}
	if (worker.Exit{Status: syscall.WaitStatus(1 << 8)}).Sent() {
		t.Error("exit status 1 was sent by others")
	}
}
