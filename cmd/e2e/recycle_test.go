package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestRecycledByAge: workers that began together are replaced under load, one at a time in the whole app, each only
// when its replacement is ready.
func TestRecycledByAge(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "old", fmt.Sprintf(
		"command: [%s]\ninstances: 2\nworkers: 2\nactivation: eager\nlisten: DIR/a%%i.sock\nlimits: {max_age: 2s}", appPath(t, "hello.pl")))
	within(t, 20*time.Second, func() error {
		for _, st := range s.all(t) {
			if err := settled(2)(st); err != nil {
				return err
			}
		}
		return nil
	})
	var loads []*load
	for n := 1; n <= 2; n++ {
		address := filepath.Join(s.dir, fmt.Sprintf("a%d.sock", n))
		loads = append(loads, startLoad(1, func() error {
			_, err := fcgiAsk("unix", address, "/sleep?ms=5", nil, nil)
			return err
		}))
	}
	var all []control.Status
	twice := func() bool { // both workers of both
		return !slices.ContainsFunc(all, func(st control.Status) bool { return st.Exits[control.Age] < 2 })
	}
	for end := time.Now().Add(2 * time.Minute); len(all) == 0 || !twice(); time.Sleep(10 * time.Millisecond) {
		all = s.all(t)
		rolling := 0
		for _, st := range all {
			if st.Rolling {
				rolling++
			}
			if n := len(pids(st)); n < 2 {
				t.Errorf("%d ready workers: %s", n, describe(st))
			}
		}
		if rolling > 1 {
			t.Errorf("%d instances recycle at once", rolling)
		}
		if time.Now().After(end) {
			t.Fatalf("%s\n%s; want both by age", describe(all[0]), describe(all[1]))
		}
	}
	for n, l := range loads {
		l.end(t, fmt.Sprintf("instance %d", n+1))
	}
	for _, st := range all {
		if n := st.Exits[control.Age]; n < 2 || st.Cut != 0 || st.Restarts[control.Crash] != 0 {
			t.Errorf("%s; want both by age and nothing else", describe(st))
		}
	}
}

// TestRecycledByMemory: a worker that has grown is replaced under load by one that has not.
func TestRecycledByMemory(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "large", fmt.Sprintf("command: [%s, none]\nlimits: {max_memory: 40MiB}", appPath(t, "liar.pl")))
	pid := s.hello(t, nil)
	if _, err := fcgiAsk(s.network, s.address, "/grow?mib=64", nil, nil); err != nil {
		t.Fatal(err)
	}
	st := s.one(t)
	if w := st.Workers[0]; w.PID != pid || w.MemoryBytes == nil || *w.MemoryBytes < 64<<20 {
		t.Fatalf("the grown worker is %+v", w)
	}
	requests := startLoad(1, s.asks("/sleep?ms=20", nil))
	begin := time.Now()
	st = s.until(t, time.Minute, func(st control.Status) error {
		if st.Exits[control.Memory] != 1 {
			return fmt.Errorf("%s", describe(st))
		}
		return settled(1)(st)
	})
	t.Logf("replaced after %v", time.Since(begin).Round(time.Second))
	requests.end(t, "requests over the replacement")
	if w := st.Workers[0]; w.PID == pid || *w.MemoryBytes > 40<<20 {
		t.Errorf("the new worker is %+v", w)
	}
}

// TestShedIsCounted: as many requests as wait while no worker can live, so many are answered 503 and counted.
func TestShedIsCounted(t *testing.T) {
	inTurn(t, light)
	s := newConfigured(t, "shed", "command: [/bin/false]\nlimits: {queue_timeout: 500ms}\nrestart: {delay: 10ms, max_delay: 1s}")
	var asked sync.WaitGroup
	for range 20 {
		asked.Go(func() {
			page, err := fcgiAsk(s.network, s.address, "/", nil, nil)
			if err != nil || !strings.Contains(page, "Status: 503") || !strings.Contains(page, "Retry-After: ") {
				t.Errorf("answer %q, %v", page, err)
			}
		})
	}
	asked.Wait()
	st := s.until(t, 5*time.Second, func(st control.Status) error {
		if st.Rejected != 20 || st.State != control.InstanceFailing {
			return fmt.Errorf("refused %d; %s", st.Rejected, st.State)
		}
		return nil
	})
	if n := s.metric(t, `fcgisup_rejected_total{app="shed",instance="1"}`); n != float64(st.Rejected) {
		t.Errorf("fcgisup_rejected_total %g", n)
	}
}
