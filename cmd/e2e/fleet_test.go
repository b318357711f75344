package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleetConfig: an app for each story, so that the subtests share one box.
const fleetConfig = `apps:
  web:
    command: [/opt/apps/web.pl]
    user: www-data
    group: www-data
    environment: {GREETING: before}
    instances: 3
    listen: /run/web%i.sock
    health: {path: /, interval: 500ms}
    limits: {stop_timeout: 5s}
    systemd: {sandbox: strict}
  tcp:
    command: [/opt/apps/tcp.pl]
    user: www-data
    group: www-data
    instances: 2
    listen: 127.0.0.1:9100
  eager:
    command: [/opt/apps/eager.pl]
    user: www-data
    group: www-data
    instances: 2
    activation: eager
    listen: /run/eager%i.sock
  crew:
    command: [/opt/apps/crew.pl]
    user: www-data
    group: www-data
    instances: 3
    activation: fleet
    listen: /run/crew%i.sock
`

// TestFleet is the main job from end to end: generated files under real systemd, behind real nginx.
func TestFleet(t *testing.T) {
	inTurn(t, busy)
	apps := []string{"web", "tcp", "eager", "crew"}
	b := newBox(t)
	b.installPrograms(t, apps...)
	b.startNginx(t)
	b.deploy(t, fleetConfig, apps...)

	// The order matters: it is the life of web.
	t.Run("nothing runs before the first request", b.asleep)
	t.Run("the first request starts one instance", b.firstRequest)
	t.Run("requests start all", b.allRequested)
	t.Run("a killed worker is replaced", b.workerKilled)
	t.Run("verify finds nothing", func(t *testing.T) { b.verified(t, apps) })
	t.Run("security rates 2.5 or better", b.secure)
	t.Run("reload applies a changed configuration", b.reloaded)
	t.Run("restart loses no request", b.restarted)
	t.Run("a poisonous request spares a worker", b.poisoned)
	t.Run("a killed supervisor refuses nothing", b.supervisorKilled)
	t.Run("tcp", b.overTCP)
	t.Run("eager starts without a request", b.eager)
	t.Run("fleet starts all at any request", b.crew)
	t.Run("the watchdog ends a stuck supervisor", b.watched)
	t.Run("the target restarts", b.targetRestarted)
	t.Run("stop leaves nothing", b.stopped)
}

func (b *box) asleep(t *testing.T) {
	if units, processes := b.services(t, "web"), b.processes(t, "web"); len(units)+len(processes) != 0 {
		t.Errorf("before any request run %v, %v", units, processes)
	}
	for n := 1; n <= 3; n++ {
		if state := b.property(t, socket("web", n), "SubState"); state != "listening" {
			t.Errorf("%s is %s, want listening", socket("web", n), state)
		}
	}
}

func (b *box) firstRequest(t *testing.T) {
	start := time.Now()
	if page := b.ok(t, "web", "/"); !strings.HasPrefix(page, "hello\n") {
		t.Errorf("answer %q", page)
	}
	t.Logf("first request answered after %v", time.Since(start).Round(time.Millisecond))
	if units := b.services(t, "web"); len(units) != 1 {
		t.Errorf("after one request run %v, want one", units)
	}
}

// allRequested sends as many requests at once as there are instances: least_conn gives each its own.
func (b *box) allRequested(t *testing.T) {
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if got, err := b.get("web", "/sleep?ms=500"); err != nil || got.status != 200 {
				t.Errorf("answered %v, %v", got, err)
			}
		})
	}
	all.Wait()
	if units := b.services(t, "web"); len(units) != 3 {
		t.Errorf("after three requests at once run %v, want all three", units)
	}
}

// kill ends a worker and waits until it has gone: until then it may take a connection along.
func (b *box) kill(t *testing.T, pid int) {
	t.Helper()
	b.run(t, "kill", "-KILL", strconv.Itoa(pid))
	within(t, 10*time.Second, func() error {
		if b.exists(fmt.Sprintf("/proc/%d", pid)) {
			return fmt.Errorf("worker %d is still there", pid)
		}
		return nil
	})
}

func (b *box) workerKilled(t *testing.T) {
	before, err := b.ask("/run/web1.sock")
	if err != nil {
		t.Fatal(err)
	}
	b.kill(t, before)
	after, err := b.ask("/run/web1.sock")
	if err != nil {
		t.Fatalf("asked right after the kill: %v\n%s", err, b.journal(service("web", 1)))
	}
	if after == before {
		t.Errorf("pid %d answers after it was killed", after)
	}
	if n := b.number(t, service("web", 1), "NRestarts"); n != 0 {
		t.Errorf("systemd restarted the supervisor %d times for a worker's death", n)
	}
	within(t, 10*time.Second, func() error {
		got, err := b.status("web", 1)
		if err != nil {
			return err
		}
		if got.State != "up" || got.Restarts["crash"] != 1 {
			return fmt.Errorf("status %+v, want up with one crash", got)
		}
		return nil
	})
}

// verified asserts on the output: systemd-analyze verify exits 0 on unknown keys, and also complains of units
// that are not ours.
func (b *box) verified(t *testing.T, apps []string) {
	for _, app := range apps {
		out, _ := b.try("systemd-analyze", "verify", service(app, 1), socket(app, 1), app+"-fastcgi.target")
		for line := range strings.Lines(out) {
			if strings.Contains(line, app+"-fastcgi") {
				t.Errorf("systemd-analyze verify: %s", line)
			}
		}
	}
}

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

func (b *box) secure(t *testing.T) {
	out := b.run(t, "systemd-analyze", "security", "--no-pager", service("web", 1))
	found := exposure.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil || level > 2.5 {
		t.Errorf("exposure level %s (%v), want 2.5 at most\n%s", found[1], err, out)
	}
	t.Logf("exposure level %s", found[1])
}

// reloaded changes the environment of a running fleet, under load; then it breaks the file, which must change
// nothing.
func (b *box) reloaded(t *testing.T) {
	supervisor := b.property(t, service("web", 1), "MainPID")
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	b.configure(t, strings.Replace(fleetConfig, "GREETING: before", "GREETING: after", 1))
	b.run(t, "systemctl", "reload", "web-fastcgi@*.service")
	within(t, 30*time.Second, func() error { return b.greets("after") })
	busy.end(t, "load during reload")
	if now := b.property(t, service("web", 1), "MainPID"); now != supervisor {
		t.Errorf("the supervisor was %s, after reload it is %s", supervisor, now)
	}

	b.write(t, "/etc/fcgisup/fcgisup.yaml", "apps: {web: {comand: []}}\n", 0o644)
	pids := b.workers(t)
	_, _ = b.try("systemctl", "reload", "web-fastcgi@*.service")
	within(t, 10*time.Second, func() error {
		if log := b.journal(service("web", 1)); !strings.Contains(log, "comand") {
			return fmt.Errorf("nothing of the invalid key in the journal:\n%s", log)
		}
		return nil
	})
	if now := b.workers(t); !slices.Equal(now, pids) {
		t.Errorf("workers %v before the invalid file, %v after it", pids, now)
	}
	if err := b.greets("after"); err != nil {
		t.Error(err)
	}
	b.configure(t, fleetConfig)
	b.run(t, "systemctl", "reload", "web-fastcgi@*.service")
	within(t, 30*time.Second, func() error { return b.greets("before") })
}

// greets checks that all of web's workers have the environment.
func (b *box) greets(want string) error {
	for n := 1; n <= 3; n++ {
		page, err := fcgiAsk("unix", b.path(fmt.Sprintf("/run/web%d.sock", n)), "/env?GREETING", nil, nil)
		if err != nil || !strings.Contains(page, "\r\n\r\n"+want+"\n") {
			return fmt.Errorf("instance %d answers %q, %v; want %s", n, page, err, want)
		}
	}
	return nil
}

func (b *box) workers(t *testing.T) []int {
	t.Helper()
	var pids []int
	for n := 1; n <= 3; n++ {
		pid, err := b.ask(fmt.Sprintf("/run/web%d.sock", n))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// restarted replaces all workers again and again under requests and uploads: promise 4. An upload that a worker
// was stopped over would be answered 200 with the sum of a part.
func (b *box) restarted(t *testing.T) {
	requests := startLoad(3, b.throughNginx("web", "/sleep?ms=5"))
	uploads := startLoad(2, b.upload("web", 300_000))
	for range 5 {
		before := b.workers(t)
		b.run(t, "fcgisup", "restart", "web")
		for i, pid := range b.workers(t) {
			if slices.Contains(before, pid) {
				t.Errorf("instance %d still has worker %d", i+1, pid)
			}
		}
	}
	requests.end(t, "requests during five restarts")
	uploads.end(t, "uploads during five restarts")
}

// poisoned sends a request that kills its worker: nginx tries it on two, since that is how a request survives a
// worker that dies by itself, and must not on all in turn.
func (b *box) poisoned(t *testing.T) {
	before := b.workers(t)
	if got, err := b.get("web", "/kill"); err != nil || got.status != 502 {
		t.Errorf("/kill answered %v, %v; want 502", got, err)
	}
	lost := 0
	for i, pid := range b.workers(t) {
		if pid != before[i] {
			lost++
		}
	}
	if lost != 2 {
		t.Errorf("one request cost %d of 3 workers, want 2", lost)
	}
}

func (b *box) supervisorKilled(t *testing.T) {
	nginx := startLoad(3, b.throughNginx("web", "/sleep?ms=5"))
	direct := startLoad(1, b.notRefused("/run/web1.sock"))
	for round := 1; round <= 3; round++ {
		pid := b.property(t, service("web", 1), "MainPID")
		b.run(t, "kill", "-KILL", pid)
		within(t, 20*time.Second, func() error {
			now := b.property(t, service("web", 1), "MainPID")
			if state := b.property(t, service("web", 1), "SubState"); now == pid || state != "running" {
				return fmt.Errorf("%s is %s with main pid %s after %s was killed", service("web", 1), state, now, pid)
			}
			return nil
		})
		if _, err := b.ask("/run/web1.sock"); err != nil {
			t.Errorf("round %d: asked after the supervisor is back: %v", round, err)
		}
	}
	nginx.end(t, "through nginx")
	direct.end(t, "straight to the socket")
}

func (b *box) overTCP(t *testing.T) {
	if units := b.services(t, "tcp"); len(units) != 0 {
		t.Errorf("before any request run %v", units)
	}
	pids := map[string]bool{}
	for range 4 {
		pids[b.ok(t, "tcp", "/")] = true
	}
	if len(pids) != 2 || len(b.services(t, "tcp")) != 2 {
		t.Errorf("four requests in turn were answered by %v, with %v running; want both instances", pids, b.services(t, "tcp"))
	}
}

func (b *box) eager(t *testing.T) {
	within(t, 20*time.Second, func() error {
		if units := b.services(t, "eager"); len(units) != 2 {
			return fmt.Errorf("without a request run %v, want both", units)
		}
		for n := 1; n <= 2; n++ {
			if got, err := b.status("eager", n); err != nil || got.State != "up" {
				return fmt.Errorf("status %+v, %v; want up", got, err)
			}
		}
		return nil
	})
}

func (b *box) crew(t *testing.T) {
	if units := b.services(t, "crew"); len(units) != 0 {
		t.Errorf("before any request run %v", units)
	}
	b.ok(t, "crew", "/")
	within(t, 20*time.Second, func() error {
		if units := b.services(t, "crew"); len(units) != 3 {
			return fmt.Errorf("after one request run %v, want all three", units)
		}
		return nil
	})
}

// watched stops a supervisor, after having seen that one which makes progress is left in peace.
func (b *box) watched(t *testing.T) {
	unit := service("eager", 1)
	b.write(t, "/etc/systemd/system/eager-fastcgi@.service.d/watchdog.conf", "[Service]\nWatchdogSec=2s\n", 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "restart", unit)
	pid := b.property(t, unit, "MainPID")
	beats := map[string]bool{}
	within(t, 30*time.Second, func() error { // one each second
		beats[b.property(t, unit, "WatchdogTimestampMonotonic")] = true
		if len(beats) < 4 {
			return fmt.Errorf("the watchdog was told at %v", slices.Sorted(maps.Keys(beats)))
		}
		return nil
	})
	if now := b.property(t, unit, "MainPID"); now != pid {
		t.Fatalf("an idle supervisor was replaced: %s by %s\n%s", pid, now, b.journal(unit))
	}
	b.run(t, "kill", "-STOP", pid)
	within(t, 90*time.Second, func() error {
		now, state := b.property(t, unit, "MainPID"), b.property(t, unit, "SubState")
		if now == pid || state != "running" {
			return fmt.Errorf("%s is %s with main pid %s, stopped was %s", unit, state, now, pid)
		}
		return nil
	})
	if _, err := b.ask("/run/eager1.sock"); err != nil {
		t.Errorf("asked after the watchdog: %v", err)
	}
}

// targetRestarted is what a reboot does to the units, as near as the box can have it.
func (b *box) targetRestarted(t *testing.T) {
	b.run(t, "systemctl", "restart", "web-fastcgi.target")
	within(t, 20*time.Second, func() error {
		for n := 1; n <= 3; n++ {
			if state := b.property(t, socket("web", n), "ActiveState"); state != "active" {
				return fmt.Errorf("%s is %s", socket("web", n), state)
			}
		}
		return nil
	})
	b.ok(t, "web", "/")
}

// stopped also holds promise 4: a request that is being served when the stop comes is answered.
func (b *box) stopped(t *testing.T) {
	b.workers(t)
	serving := make(chan error, 1)
	go func() { serving <- b.throughNginx("web", "/sleep?ms=1500")() }()
	within(t, 10*time.Second, func() error {
		if out, _ := b.try("ss", "-xH", "state", "established", "src", "/run/web*"); strings.TrimSpace(out) == "" {
			return fmt.Errorf("no request is being served")
		}
		return nil
	})
	b.run(t, "systemctl", "stop", "web-fastcgi.target")
	if err := <-serving; err != nil {
		t.Errorf("the request that was being served: %v", err)
	}
	within(t, 20*time.Second, func() error {
		if units, processes := b.running(t, "web-fastcgi@*"), b.processes(t, "web"); len(units)+len(processes) != 0 {
			return fmt.Errorf("after stop run %v, %v", units, processes)
		}
		return nil
	})
	left := strings.TrimSpace(b.run(t, "sh", "-c", "ls -d /run/web*.sock /run/fcgisup/web-*/control.sock 2>/dev/null || true"))
	if left != "" {
		t.Errorf("after stop there is still:\n%s", left)
	}
	if failed := b.unitsOf(t, "*-fastcgi*", "failed"); len(failed) > 0 {
		t.Errorf("units have failed: %v", failed)
	}
}
