package monitor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// pingedBed is a host with a plain service that is probed by pings.
func pingedBed() *bed {
	app := plainApp("p", 9000)
	app.Health.Path = ""
	b := newBed(app)
	b.run("p@1")
	return b
}

func TestPlainThatAnswersPingsIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pingedBed()
		b.start()
		defer b.end()
		wait(5 * time.Second)
		if got := b.of(t, "p", 1); got.Health != Up || got.Probe == nil || got.Probe.Ping != control.PingAnswers {
			t.Fatalf("%+v", got)
		}
		b.set(func() { b.answers["p@1"] = hangs })
		wait(2 * time.Minute)
		if len(b.did(&b.restarts)) == 0 {
			t.Error("it hangs, and is not restarted")
		}
	})
}

func TestPlainThatAnswersNoPingIsPingedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pingedBed()
		b.answers["p@1"] = hangs
		b.start()
		defer b.end()
		wait(time.Hour)
		got := b.of(t, "p", 1)
		if n := len(b.did(&b.probes)); n != 1 || got.Health != Up || got.Probe == nil || got.Probe.Ping != control.PingNone {
			t.Fatalf("%d pings, %+v", n, got)
		}
		b.set(func() { b.traffic["127.0.0.1:9000"] = Traffic{Queue: 1} }) // and no client served
		wait(2 * time.Minute)
		if len(b.did(&b.restarts)) == 0 {
			t.Error("its queue stands, and it is not restarted")
		}
		if n := len(b.did(&b.probes)); n != 1 {
			t.Errorf("%d pings", n)
		}
	})
}

func TestPlainThatDiesOfThePingIsNotPingedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pingedBed()
		b.set(func() { b.traffic["127.0.0.1:9000"] = Traffic{Serving: []uint64{7}} })
		b.start()
		defer b.end()
		wait(time.Minute)
		if n := len(b.did(&b.probes)); n != 0 {
			t.Fatalf("%d pings while a client is served, who would be lost", n)
		}
		b.set(func() { delete(b.traffic, "127.0.0.1:9000") })
		for len(b.did(&b.probes)) == 0 {
			wait(100 * time.Millisecond)
		}
		b.set(func() {
			s := b.services["p@1.service"]
			s.PID, s.Restarts = s.PID+1, s.Restarts+1
			b.services["p@1.service"] = s
		})
		wait(time.Hour)
		got := b.of(t, "p", 1)
		if n := len(b.did(&b.probes)); n != 1 || got.Health != Up || got.Probe == nil || got.Probe.Ping != control.PingNone || len(b.did(&b.restarts)) != 0 {
			t.Errorf("%d pings, %+v, restarted %v", n, got, b.did(&b.restarts))
		}
	})
}
