package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// rollingPrograms are the responders of the matrix in FASTCGI.md 4.2 that differ in how they take SIGTERM: libfcgi
// finishes, php-cgi finishes, net/http/fcgi dies at once.
func rollingPrograms() []program {
	return slices.DeleteFunc(programs(), func(p program) bool { return p.name == "python" || p.name == "fcgiwrap" })
}

// TestRollingRestart is promise 4: four workers behind nginx, which tries nothing twice, are replaced again and
// again. Two clients are a moderate load: there is always an idle worker.
func TestRollingRestart(t *testing.T) {
	inTurn(t, busy)
	for _, p := range rollingPrograms() {
		t.Run(p.name, func(t *testing.T) {
			s, url := rollingApp(t, p)
			load := startWrk(t, url+"/sleep?ms=10", 2)
			begin, n := time.Now(), rounds(t, 3)
			for range n {
				s.restartAll(t, p.name)
			}
			took := time.Since(begin)
			asked, failed, slow := load.end(t)
			st := s.one(t)
			t.Logf("%d restarts of 4 workers in %v: %d requests, %d failed, 99%% within %s, cut %d",
				n, took.Round(time.Millisecond), asked, failed, slow, st.Cut)
			if failed > 0 || st.Cut > 0 {
				t.Errorf("%d of %d requests failed, %d workers were cut\n%s\n%s", failed, asked, st.Cut, &load.said, s.log())
			}
			if st.Exits[control.Operator] != uint64(4*n) || st.Restarts[control.Crash] != 0 {
				t.Errorf("%s; want %d by the operator", describe(st), 4*n)
			}
		})
	}
}

// TestRollingRestartSaturated: with more clients than workers no worker is ever seen idle for long, and what cannot be
// had is measured: how many requests were cut at stop_timeout. What is promised is that cuts are counted.
func TestRollingRestartSaturated(t *testing.T) {
	inTurn(t, heavy)
	for _, p := range rollingPrograms() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s, url := rollingApp(t, p)
			load := startWrk(t, url+"/sleep?ms=10", 16)
			begin, n := time.Now(), rounds(t, 1)
			for range n {
				s.restartAll(t, p.name)
			}
			took := time.Since(begin)
			asked, failed, slow := load.end(t)
			st := s.one(t)
			t.Logf("%d restarts of 4 workers in %v: %d requests, %d failed, 99%% within %s, cut %d",
				n, took.Round(time.Millisecond), asked, failed, slow, st.Cut)
			if st.Cut == 0 && failed > 0 {
				t.Errorf("%d of %d requests failed, and no cut was counted\n%s\n%s", failed, asked, &load.said, s.log())
			}
		})
	}
}

func rollingApp(t *testing.T, p program) (s *supervised, url string) {
	t.Helper()
	needFiles(t, p.needs...)
	s = newConfigured(t, p.name, fmt.Sprintf("command: [%s]\nworkers: 4\nhealth: {interval: 0s}\nlimits: {stop_timeout: 2s}", p.command(t)[0]))
	url = s.nginx(t, p.params(t))
	s.until(t, 20*time.Second, settled(4))
	return s, url
}

// restartAll is `fcgisup restart`; it checks that no worker is left as it was.
func (s *supervised) restartAll(t *testing.T, app string) {
	t.Helper()
	before := pids(s.one(t))
	if out, err := s.fcgisup("restart", app); err != nil || !strings.Contains(out, app+"@1 restarted") {
		t.Fatalf("restart: %v\n%s\n%s", err, out, s.log())
	}
	if st := s.one(t); st.Rolling {
		t.Errorf("after the restart: %s", describe(st))
	}
	after := pids(s.until(t, 10*time.Second, settled(len(before)))) // php-cgi ends by itself every 500 requests
	for _, pid := range before {
		if slices.Contains(after, pid) || !dead(pid) {
			t.Errorf("worker %d was not replaced", pid)
		}
	}
}

const canaryProgram = `#!/bin/sh
[ -e DIR/broken ] && { echo the new version is broken; exit 1; }
exec PROGRAM
`

// TestCanary: a restart ends at the first replacement that does not come up, and the old workers serve on.
func TestCanary(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newSupervised(t)
	s.binary = fcgisupBinary(t)
	program := filepath.Join(s.dir, "app.sh")
	text := strings.NewReplacer("DIR", s.dir, "PROGRAM", appPath(t, "hello.pl")).Replace(canaryProgram)
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	s.configure(t, "canary", "command: [DIR/app.sh]\ninstances: 2\nworkers: 2\nactivation: eager\nlisten: DIR/a%i.sock")
	s.launch(t, s.binary, "run", "--config", s.configPath(), "--control", s.control)
	s.address = filepath.Join(s.dir, "a1.sock")
	within(t, 20*time.Second, func() error {
		s.alive(t)
		all, err := fetchStatus(t.Context(), s.control)
		if err != nil {
			return err
		}
		for _, st := range all {
			if err := settled(2)(st); err != nil {
				return err
			}
		}
		return nil
	})
	workers := func() (all []int) {
		for _, st := range s.all(t) {
			all = append(all, pids(st)...)
		}
		return all
	}
	before := workers()
	if err := os.WriteFile(filepath.Join(s.dir, "broken"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	load := startLoad(2, s.asks("/sleep?ms=5", nil))
	out, err := s.fcgisup("restart", "canary")
	if err == nil || !strings.Contains(out, "canary@1") || !strings.Contains(out, "did not come up") || strings.Contains(out, "canary@2") {
		t.Errorf("restart: %v\n%s; want it to end at canary@1", err, out)
	}
	within(t, 10*time.Second, func() error {
		if now := workers(); !slices.Equal(now, before) {
			return fmt.Errorf("workers were %v, now %v", before, now)
		}
		return nil
	})
	if f := s.all(t)[0].LastFailure; f == nil || !slices.ContainsFunc(f.Output, func(l string) bool { return strings.Contains(l, "the new version is broken") }) {
		t.Errorf("last failure %+v does not show what the program said", f)
	}
	load.end(t, "load over the abandoned restart")

	if err := os.Remove(filepath.Join(s.dir, "broken")); err != nil {
		t.Fatal(err)
	}
	if out, err := s.fcgisup("restart", "canary"); err != nil || !strings.Contains(out, "canary@1 restarted\ncanary@2 restarted") {
		t.Errorf("restart of what is fixed: %v\n%s", err, out)
	}
	for _, pid := range workers() {
		if slices.Contains(before, pid) {
			t.Errorf("worker %d was not replaced", pid)
		}
	}
}
