package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// sleepKeys: an app that goes to sleep almost as soon as there are no requests.
const sleepKeys = "command: [%s]\nlimits: {idle_timeout: 300ms}\nhealth: {interval: 100ms}"

// TestSleepAndWake: requests trickle in around the moment at which the instance goes to sleep: some just before, some
// while its worker is being stopped, some after. None is lost, and probes wake no instance.
func TestSleepAndWake(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	for name, program := range map[string]func(*testing.T) string{
		"perl": func(t *testing.T) string { return appPath(t, "hello.pl") },
		"go":   compiledGo, // dies at once on TERM
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newConfigured(t, "nap", fmt.Sprintf(sleepKeys, program(t)))
			ask, n := s.asks("/", nil), uint64(rounds(t, 12))
			asked, slept := 0, uint64(0)
			for begin := time.Now(); slept < n; asked++ {
				if err := ask(); err != nil {
					t.Fatalf("request %d: %v\n%s", asked, err, s.log())
				}
				// From well before to well after, a millisecond at a time.
				time.Sleep(280*time.Millisecond + time.Duration(asked*7%60)*time.Millisecond)
				if asked%5 == 0 {
					slept = s.one(t).Exits[control.Idle]
				}
				if time.Since(begin) > time.Minute+time.Duration(n)*2*time.Second {
					t.Fatalf("slept %d times only\n%s", slept, s.log())
				}
			}
			t.Logf("%d requests, 0 failed; slept %d times", asked, slept)
			st := s.until(t, 10*time.Second, sleeps)
			if children := s.children(); children != "" {
				t.Errorf("asleep with children %s", children)
			}
			time.Sleep(500 * time.Millisecond) // five probes
			if now := s.one(t); now.State != control.Sleeping || now.Exits[control.Idle] != st.Exits[control.Idle] {
				t.Errorf("something woke it: %s", describe(now))
			}
			if st.Cut != 0 || st.Restarts[control.Crash] != 0 {
				t.Errorf("%s", describe(st))
			}
		})
	}
}

func sleeps(st control.Status) error {
	if st.State != control.Sleeping || len(st.Workers) != 0 {
		return fmt.Errorf("%s", describe(st))
	}
	return nil
}

// TestScaleToZero: min: 0 sleeps without idle_timeout, once the window has forgotten the last request.
func TestScaleToZero(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "zero", fmt.Sprintf("command: [%s]\nworkers: {min: 0, max: 4}\nhealth: {interval: 1s}", appPath(t, "hello.pl")))
	first := s.hello(t, nil)
	s.until(t, 10*time.Second, isUp)
	begin := time.Now()
	s.until(t, 2*backWithin, sleeps) // a machine that is busy may see a request where there was none
	took := time.Since(begin)
	t.Logf("asleep %v after the last request", took.Round(100*time.Millisecond))
	if took < 25*time.Second {
		t.Errorf("asleep %v after a request: the next one pays for it", took)
	}
	if second := s.hello(t, nil); second == first {
		t.Errorf("worker %d slept", first)
	}
}

// TestFleetInOneProcess: the first request to any instance wakes all of them at once.
func TestFleetInOneProcess(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "crew", fmt.Sprintf("command: [%s]\ninstances: 4\nactivation: fleet\nlisten: DIR/a%%i.sock", appPath(t, "hello.pl")))
	for _, st := range s.all(t) {
		if err := sleeps(st); err != nil {
			t.Fatal(err)
		}
	}
	s.address = filepath.Join(s.dir, "a3.sock")
	s.hello(t, nil)
	within(t, 10*time.Second, func() error {
		for _, st := range s.all(t) {
			if err := isUp(st); err != nil {
				return err
			}
		}
		return nil
	})
}
