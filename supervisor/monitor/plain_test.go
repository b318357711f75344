package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

var hangs = control.ProbeResult{Err: errHangs, Class: fcgisup.ProbeTimeout}

// plainBed is a host with one plain service that has answered well.
func plainBed(t *testing.T) *bed {
	t.Helper()
	app := plainApp("p", 9000)
	app.Health.Timeout = 2 * time.Second
	b := newBed(app)
	b.run("p@1")
	b.start()
	wait(time.Second)
	if got := b.of(t, "p", 1); got.Health != Up || got.Probe == nil || !got.Probe.OK {
		t.Fatalf("at first: %+v", got)
	}
	return b
}

// TestPlainHangs: it is restarted after as many failures as health says, with
// evidence, and is down until a probe is good again.
func TestPlainHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plainBed(t)
		defer b.end()
		b.set(func() { b.answers["p@1"] = hangs })
		wait(30 * time.Second) // two failures
		if got := b.of(t, "p", 1); got.Health != Up || got.Probe.Failures != 2 || len(b.did(&b.restarts)) > 0 {
			t.Fatalf("after two failures: %+v, restarted %v", got, b.did(&b.restarts))
		}
		b.set(func() {
			// Before a probe a recent look will do; a failed one would see itself in it.
			if got := fmt.Sprint(b.anew[len(b.anew)-4:]); got != "[false true false true]" {
				t.Errorf("looks again %s", got)
			}
		})
		wait(15 * time.Second)
		if got := b.of(t, "p", 1); got.Health != Down || got.Intended || got.Restarts != 1 || fmt.Sprint(b.did(&b.restarts)) != "[p@1.service]" {
			t.Fatalf("after three: %+v, restarted %v", got, b.did(&b.restarts))
		}
		if !strings.Contains(b.said(), "evidence of 100") {
			t.Errorf("no evidence in\n%s", b.said())
		}
		b.set(func() { delete(b.answers, "p@1") })
		wait(20 * time.Second)
		if got := b.of(t, "p", 1); got.Health != Up || got.Restarts != 1 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

// TestPlainForgotten: a probe that a reload overtakes neither restarts what is
// not configured any more nor keeps it in mind.
func TestPlainForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := plainApp("p", 9000)
		app.Health.Timeout, app.Health.Failures = 2*time.Second, 1
		b := newBed(app)
		b.run("p@1")
		b.start()
		defer b.end()
		wait(time.Second)
		b.set(func() { b.answers["p@1"] = hangs })
		for n := len(b.did(&b.probes)); len(b.did(&b.probes)) == n; {
			wait(time.Second)
		}
		b.Configure(nil)
		wait(10 * time.Second)
		if got := b.did(&b.restarts); len(got) > 0 {
			t.Errorf("restarted %v", got)
		}
		b.post(func() {
			if len(b.plains) > 0 {
				t.Errorf("%d are kept", len(b.plains))
			}
		})
	})
}

// TestPlainStaysHung: restarts that do not help come ever more rarely.
func TestPlainStaysHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plainBed(t)
		defer b.end()
		b.set(func() { b.answers["p@1"] = hangs })
		wait(10 * time.Minute)
		early := len(b.did(&b.restarts))
		wait(2 * time.Hour)
		if late := len(b.did(&b.restarts)) - early; early < 2 || early > 8 || late < 8 || late > 13 {
			t.Errorf("%d restarts in the first ten minutes, %d in two more hours", early, late)
		}
		if got := b.of(t, "p", 1); got.Health != Down {
			t.Errorf("%+v", got)
		}
	})
}

// TestPlainBusy: a service that serves a client is never restarted for a probe
// that waits, however long that takes.
func TestPlainBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plainBed(t)
		defer b.end()
		b.set(func() {
			b.answers["p@1"] = hangs
			b.traffic["127.0.0.1:9000"] = Traffic{Queue: 1, Serving: []uint64{7}}
		})
		sent := len(b.did(&b.probes))
		wait(time.Hour)
		if got := b.of(t, "p", 1); got.Health != Up || len(b.did(&b.restarts)) > 0 {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
		if n := len(b.did(&b.probes)) - sent; n < 30 || n > 80 {
			t.Errorf("%d probes were sent in an hour; most should give way", n)
		}
		b.set(func() { b.traffic["127.0.0.1:9000"] = Traffic{Orphaned: 1} }) // it serves no client any more
		wait(time.Minute)
		if got := b.of(t, "p", 1); got.Health != Down || len(b.did(&b.restarts)) != 1 {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
	})
}

// TestPlainStuck: request_timeout bounds one request.
func TestPlainStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := plainApp("p", 9000)
		app.Limits.RequestTimeout = time.Minute
		b := newBed(app)
		b.run("p@1")
		b.traffic["127.0.0.1:9000"] = Traffic{Serving: []uint64{7}}
		b.start()
		defer b.end()
		wait(50 * time.Second)
		if len(b.did(&b.restarts)) > 0 {
			t.Errorf("restarted %v", b.did(&b.restarts))
		}
		b.set(func() { b.traffic["127.0.0.1:9000"] = Traffic{Serving: []uint64{8}} }) // the next request
		wait(50 * time.Second)
		if len(b.did(&b.restarts)) > 0 {
			t.Errorf("restarted %v", b.did(&b.restarts))
		}
		wait(30 * time.Second)
		if got := b.of(t, "p", 1); len(b.did(&b.restarts)) == 0 || !strings.Contains(got.Why, "request_timeout is 1m0s") {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
	})
}

// TestPlainHasEnded: a request is not too long because a recent look still shows it.
func TestPlainHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := plainApp("p", 9000)
		app.Limits.RequestTimeout = time.Minute
		b := newBed(app)
		b.run("p@1")
		b.traffic["127.0.0.1:9000"] = Traffic{Serving: []uint64{7}}
		b.start()
		defer b.end()
		wait(50 * time.Second)
		b.set(func() {
			b.stale = []uint64{7}
			clear(b.traffic)
		})
		wait(5 * time.Minute)
		if got := b.of(t, "p", 1); len(b.did(&b.restarts)) > 0 || got.Health != Up {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
	})
}

// TestAged: a request is as old as the look that shows it, not as the judge's clock.
func TestAged(t *testing.T) {
	at := time.Now()
	_, since := aged(Traffic{At: at, Serving: []uint64{7}}, nil)
	oldest, since := aged(Traffic{At: at.Add(time.Minute), Serving: []uint64{8, 7}}, since)
	if oldest != time.Minute || len(since) != 2 {
		t.Errorf("%s, %v", oldest, since)
	}
	if oldest, since = aged(Traffic{At: at.Add(2 * time.Minute), Serving: []uint64{8}}, since); oldest != time.Minute || len(since) != 1 {
		t.Errorf("%s, %v", oldest, since)
	}
}

// TestPlainAnswersWrong: who is being served is let finish, for as long as a stop would take.
func TestPlainAnswersWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plainBed(t)
		defer b.end()
		b.set(func() {
			b.answers["p@1"] = control.ProbeResult{Err: errors.New("status 500"), Class: "status", Status: 500}
		})
		wait(20 * time.Second)
		b.set(func() { b.traffic["127.0.0.1:9000"] = Traffic{Serving: []uint64{7}} })
		wait(40 * time.Second)
		if len(b.did(&b.restarts)) > 0 {
			t.Errorf("restarted %v while it serves", b.did(&b.restarts))
		}
		b.set(func() { clear(b.traffic) })
		wait(30 * time.Second)
		if got := b.of(t, "p", 1); len(b.did(&b.restarts)) != 1 || got.Health != Down || !strings.Contains(got.Why, "status 500") {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
	})
}

// TestPlainNotItsFault: what a restart would not fix is not restarted.
func TestPlainNotItsFault(t *testing.T) {
	for name, c := range map[string]struct {
		result control.ProbeResult
		health Health
	}{
		"no such file":  {control.ProbeResult{Err: fs.ErrNotExist, Class: fcgisup.ProbeMissing}, Down},
		"refused":       {control.ProbeResult{Err: errors.New("refused"), Class: fcgisup.ProbeRefused}, Down},
		"no permission": {control.ProbeResult{Err: fmt.Errorf("no: %w", fs.ErrPermission), Class: fcgisup.ProbeRefused}, Up},
		"overloaded":    {control.ProbeResult{Err: errors.New("overloaded"), Class: fcgisup.ProbeOverloaded}, Up},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := plainBed(t)
				defer b.end()
				b.set(func() { b.answers["p@1"] = c.result })
				wait(10 * time.Minute)
				if got := b.of(t, "p", 1); got.Health != c.health || len(b.did(&b.restarts)) > 0 {
					t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
				}
			})
		})
	}
}

// TestPlainBegins: a program gets start_timeout for its first answer.
func TestPlainBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := plainApp("p", 9000)
		app.Limits.StartTimeout = 5 * time.Minute
		b := newBed(app)
		b.run("p@1")
		b.answers["p@1"] = hangs
		b.start()
		defer b.end()
		wait(4 * time.Minute)
		if got := b.of(t, "p", 1); got.Health != Up || len(b.did(&b.restarts)) > 0 {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
		wait(3 * time.Minute)
		if len(b.did(&b.restarts)) != 1 {
			t.Errorf("restarted %v", b.did(&b.restarts))
		}
	})
}

// TestPlainCrashes: a process that ends again and again is down although it has
// only begun each time; systemd restarts it already.
func TestPlainCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plainBed(t)
		defer b.end()
		b.set(func() { b.answers["p@1"] = hangs })
		for range 20 {
			b.set(func() {
				s := b.services["p@1.service"]
				s.Restarts++
				s.Began = time.Now()
				b.services["p@1.service"] = s
			})
			wait(6 * time.Second)
		}
		if got := b.of(t, "p", 1); got.Health != Down || len(b.did(&b.restarts)) > 0 || !strings.Contains(got.Why, "has ended") {
			t.Errorf("%+v, restarted %v", got, b.did(&b.restarts))
		}
	})
}

// TestPlainAsleep: nothing is sent to what does not run, not even when it has
// stopped since the units were listed, and its past is forgotten.
func TestPlainAsleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plainBed(t)
		defer b.end()
		sent := len(b.did(&b.probes))
		b.set(func() { b.units["p@1.socket"], b.units["p@1.service"] = listening, dead })
		wait(10 * time.Minute)
		if got := b.of(t, "p", 1); got.Health != Asleep || len(b.did(&b.probes)) != sent || got.Probe != nil {
			t.Errorf("%+v, %d probes", got, len(b.did(&b.probes))-sent)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBed(plainApp("p", 9000))
		b.units["p@1.socket"] = listening
		g := probing{app: b.opt.Apps[0], in: b.opt.Apps[0].Instance(1)}
		g.send(t.Context(), b.opt)
		if !g.asleep || len(b.did(&b.probes)) > 0 {
			t.Errorf("%+v, probes %v", g, b.did(&b.probes))
		}
	})
}
