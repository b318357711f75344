package monitor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func up(app string, n int) control.Status {
	return control.Status{App: app, Instance: n, State: control.Up}
}

// TestRounds: every instance is known, asleep or not, from one question to
// systemd and one to each supervisor.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("rt", 3, 9000))
		b.units["rt@1.socket"], b.units["rt@1.service"] = connected, connected
		b.units["rt@2.socket"] = listening
		b.supervisors["1"] = []control.Status{up("rt", 1)}
		b.supervisors["dev"] = []control.Status{up("dev", 1), up("dev", 2), up("rt", 9)}
		b.start()
		defer b.end()
		for n, want := range map[int]Health{1: Up, 2: Asleep, 3: Stopped, 9: Up} {
			if got := b.of(t, "rt", n); got.Health != want {
				t.Errorf("rt@%d is %s (%s), want %s", n, got.Health, got.Why, want)
			}
		}
		if got := b.of(t, "dev", 2); got.Health != Up || got.Status.App != "dev" {
			t.Errorf("%+v", got)
		}
		r, _ := b.Feed().Latest()
		if len(r.Apps) != 2 || r.Apps[0].Name != "rt" || len(r.Apps[0].Instances) != 4 {
			t.Errorf("%+v", r.Apps)
		}
		since := b.of(t, "rt", 2).Since
		b.set(func() {
			delete(b.supervisors, "dev")
			b.units["rt@1.service"], b.units["rt@1.socket"] = dead, dead
			delete(b.supervisors, "1")
		})
		wait(6 * time.Second)
		if b.listed() != 2 {
			t.Errorf("systemd was asked %d times in two rounds", b.listed())
		}
		if got := b.of(t, "rt", 1); got.Health != Stopped || !got.Intended || got.Status != nil || !got.Since.After(since) {
			t.Errorf("%+v", got)
		}
		if got := b.of(t, "rt", 2); got.Since != since || len(got.History) != 1 {
			t.Errorf("since %v, at first %v, %v", got.Since, since, got.History)
		}
		if r, _ := b.Feed().Latest(); len(r.Apps) != 1 {
			t.Errorf("what has gone is still there: %+v", r.Apps)
		}
	})
}

// TestHungSupervisors: those that do not answer hold up the first report, then
// none; they become unknown, and are back with their answer.
func TestHungSupervisors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hung, good = 40, 40
		b := newBed(on("a", hung+good, 9000))
		for n := 1; n <= hung+good; n++ {
			name := fmt.Sprintf("a@%d", n)
			b.units[name+".socket"], b.units[name+".service"] = connected, connected
			b.supervisors[name] = []control.Status{up("a", n)}
			if n <= hung {
				b.supervisors[name] = nil
			}
		}
		b.start()
		defer b.end()
		wait(firstTimeout)
		if got := b.of(t, "a", hung+1); got.Health != Up {
			t.Errorf("at first: %+v", got)
		}
		wait(20 * time.Second)
		before := b.of(t, "a", hung+1).Checked
		b.set(func() {
			b.supervisors["a@80"] = []control.Status{{App: "a", Instance: 80, State: control.InstanceFailing}}
		})
		wait(5*time.Second + latePause)
		if got := b.of(t, "a", 80); got.Health != Down {
			t.Errorf("a@80 is %s a round later", got.Health)
		}
		if got := b.of(t, "a", hung+1); !got.Checked.After(before) || got.Health != Up {
			t.Errorf("%+v", got)
		}
		if got := b.of(t, "a", 1); got.Health != Unknown || !strings.Contains(got.Why, "does not answer") || got.Status != nil {
			t.Errorf("%+v", got)
		}
		b.set(func() { b.supervisors["a@1"] = []control.Status{up("a", 1)} })
		wait(time.Minute) // its turn comes in half of that: 40, 4 at a time, for answerTimeout each
		if got := b.of(t, "a", 1); got.Health != Up {
			t.Errorf("back again, a@1 is %s (%s)", got.Health, got.Why)
		}
	})
}

// TestLateAnswer: one answer that fails to come is not news.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 1, 9000))
		b.run("a@1")
		b.supervisors["s"] = []control.Status{up("a", 1)}
		b.start()
		defer b.end()
		b.set(func() { b.supervisors["s"] = nil })
		wait(10 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Up || time.Since(got.Checked) < 9*time.Second {
			t.Errorf("%+v", got)
		}
		wait(20 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Unknown || !strings.Contains(got.Why, "does not answer") {
			t.Errorf("%+v", got)
		}
	})
}

// TestWoken: an instance that has woken between two looks is up, not unknown;
// one whose supervisor stays silent is.
func TestWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 1, 9000))
		b.units["a@1.socket"] = listening
		b.start()
		defer b.end()
		wait(time.Second)
		b.run("a@1")
		wait(5 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Up {
			t.Errorf("%+v", got)
		}
		wait(10 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Unknown || len(got.History) != 3 {
			t.Errorf("%+v", got)
		}
	})
}

// TestKilledSupervisor: what one that is gone has said last is not a status.
func TestKilledSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 1, 9000))
		b.run("a@1")
		b.supervisors["a@1"] = []control.Status{up("a", 1)}
		b.start()
		defer b.end()
		b.set(func() { b.supervisors["a@1"] = []control.Status{}; b.units["a@1.service"] = autoRestart })
		wait(6 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Up || got.Status != nil {
			t.Errorf("restarted once: %+v", got)
		}
		wait(20 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Down || !strings.Contains(got.Why, "again and again") {
			t.Errorf("again and again: %+v", got)
		}
	})
}

// TestSystemdGone: what systemd said stands for a while, then nothing is known.
func TestSystemdGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 1, 9000))
		b.units["a@1.socket"] = listening
		b.start()
		defer b.end()
		b.set(func() { b.listErr = errors.New("gone") })
		wait(6 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Asleep {
			t.Errorf("%+v", got)
		}
		wait(time.Minute)
		if got := b.of(t, "a", 1); got.Health != Unknown {
			t.Errorf("%+v", got)
		}
		if n := strings.Count(b.said(), "does not tell its units"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		b.set(func() { b.listErr = nil })
		wait(6 * time.Second)
		if got := b.of(t, "a", 1); got.Health != Asleep {
			t.Errorf("%+v", got)
		}
	})
}

// TestConfigure: other apps are in force at once; what was refused is shown.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 2, 9000))
		b.start()
		defer b.end()
		b.Misconfigured("no good")
		wait(time.Second)
		if r, _ := b.Feed().Latest(); r.ConfigError != "no good" || len(r.Apps[0].Instances) != 2 {
			t.Errorf("%+v", r)
		}
		b.Configure([]fcgisup.App{on("b", 1, 9000)})
		wait(time.Second)
		if r, _ := b.Feed().Latest(); r.ConfigError != "" || len(r.Apps) != 1 || r.Apps[0].Name != "b" {
			t.Errorf("%+v", r)
		}
	})
}

// TestFirstReportWaits: what is said of the monitor itself makes no report in which nothing is known of the instances, which
// the history would keep.
func TestFirstReportWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 1, 9000))
		b.run("a@1")
		b.supervisors["s"] = nil
		b.start()
		defer b.end()
		b.SetPage(t.Context(), Page{Address: "127.0.0.1:1"})
		b.Misconfigured("no good")
		wait(time.Second)
		if r, _ := b.Feed().Latest(); r != nil {
			t.Errorf("reported before any answer: %+v", r.Apps)
		}
		wait(5 * time.Second)
		if r, _ := b.Feed().Latest(); r == nil || r.Page == nil || r.ConfigError != "no good" {
			t.Errorf("%+v", r)
		}
		b.SetPage(t.Context(), Page{Address: "127.0.0.1:2"})
		wait(time.Millisecond)
		if r, _ := b.Feed().Latest(); r.Page.Address != "127.0.0.1:2" {
			t.Errorf("a later page is not told at once: %+v", r.Page)
		}
	})
}

// TestRestart: each by its own way, in order; what sleeps is left alone.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("a", 3, 9000), plainApp("p", 9100), plainApp("q", 9200))
		b.supervisors["s3"] = []control.Status{up("a", 3)}
		b.supervisors["s1"] = []control.Status{up("a", 1)}
		b.run("p@1")
		b.start()
		defer b.end()
		if err := b.Restart(t.Context(), "a", 0); err != nil {
			t.Error(err)
		}
		if err := b.Restart(t.Context(), "p", 1); err != nil {
			t.Error(err)
		}
		for _, none := range []string{"q", "none"} {
			if err := b.Restart(t.Context(), none, 0); !errors.Is(err, ErrNothingRuns) {
				t.Errorf("%s: %v", none, err)
			}
		}
		if err := b.Restart(t.Context(), "a", 2); !errors.Is(err, ErrNothingRuns) {
			t.Errorf("a@2: %v", err)
		}
		if got := fmt.Sprint(b.did(&b.restarts)); got != "[s1 1 s3 3 p@1.service]" {
			t.Errorf("restarted %s", got)
		}
	})
}

// TestStrangers: what a supervisor makes up costs no history without end, and
// what is not believed of it is not there.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(on("rt", 1, 9000))
		b.opt.Status = func(ctx context.Context, socket string, apps []fcgisup.App) ([]control.Status, error) {
			if len(apps) != 1 || socket != "x" {
				t.Errorf("asked of %d apps, %s", len(apps), socket)
			}
			all, err := b.status(ctx, socket, apps)
			return all[1:], err
		}
		invent := func(first int) {
			all := []control.Status{up("rt", 1)}
			for n := range 600 {
				all = append(all, up("new", first+n))
			}
			b.set(func() { b.supervisors["x"] = all })
		}
		invent(1)
		b.start()
		defer b.end()
		if got := b.of(t, "rt", 1); got.Status != nil {
			t.Errorf("%+v", got)
		}
		known := func() (n int) {
			for i := 1; i <= 3000; i++ {
				if len(b.opt.History.Spans(fmt.Sprintf("new@%d", i))) > 0 {
					n++
				}
			}
			return n
		}
		for i := 1; i < 5; i++ {
			invent(600*i + 1)
			wait(6 * time.Second)
		}
		if n := known(); n != maxStrange {
			t.Errorf("a history for %d, want %d", n, maxStrange)
		}
		if got := b.of(t, "new", 3000); got.Health != Up || got.Since.IsZero() || len(got.History) != 0 {
			t.Errorf("%+v", got)
		}
		b.post(func() { // who has gone for a day makes room
			if !b.remembers(fcgisup.Instance{App: "new", Number: 3001}, time.Now().Add(25*time.Hour)) || len(b.strange) != 1 {
				t.Errorf("%d are remembered", len(b.strange))
			}
		})
	})
}
