package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const frailConfig = `apps:
  frail:
    command: [/opt/apps/frail.sh]
    user: www-data
    group: www-data
    listen: /run/frail.sock
    restart: {delay: 5ms, max_delay: 100ms, factor: 2}
    limits: {queue_timeout: 300ms}
    systemd: {service: {ReadWritePaths: /var/lib/frail}}
`

const frailProgram = `#!/bin/sh
if [ -e /var/lib/frail/broken ]; then
	echo . >>/var/lib/frail/attempts
	exit 1
fi
exec /opt/apps/frail.pl
`

// installFrail installs a program that fails at once, and counts how often, until mended is called.
func (b *box) installFrail(t *testing.T) (attempts func() int, mend func()) {
	t.Helper()
	b.installPrograms(t, "frail")
	b.write(t, "/opt/apps/frail.sh", frailProgram, 0o755)
	b.run(t, "install", "-d", "-o", "www-data", "/var/lib/frail")
	b.write(t, "/var/lib/frail/broken", "", 0o644)
	attempts = func() int {
		return strings.Count(b.run(t, "sh", "-c", "cat /var/lib/frail/attempts || true"), ".")
	}
	return attempts, func() { b.remove(t, "/var/lib/frail/broken") }
}

// TestFailingProgram is promise 1: what takes the seed's socket down for good (TestBoxSeed) only makes requests
// wait or be told 503 here, and nothing has to be reset.
func TestFailingProgram(t *testing.T) {
	inTurn(t, long)
	b := newBox(t)
	attempts, mend := b.installFrail(t)
	b.startNginx(t)
	b.deploy(t, frailConfig, "frail")

	if got, err := b.get("frail", "/"); err != nil || got.status != 503 {
		t.Errorf("while no worker can live: %v, %v; want 503", got, err)
	}
	within(t, time.Minute, func() error {
		if n := attempts(); n < 50 {
			return fmt.Errorf("%d attempts", n)
		}
		return nil
	})
	if got, err := b.get("frail", "/"); err != nil || got.status != 503 {
		t.Errorf("after 50 failures: %v, %v; want 503", got, err)
	}
	if got, err := b.status("frail", 1); err != nil || got.State != "failing" {
		t.Errorf("after 50 failures: status %+v, %v; want failing", got, err)
	}

	mend()
	mended := time.Now()
	// max_delay is 100 ms; the rest is for a busy machine. Nothing but status is asked: it must come back by itself.
	within(t, 10*time.Second, func() error {
		if got, err := b.status("frail", 1); err != nil || got.State != "up" {
			return fmt.Errorf("status %+v, %v; want up", got, err)
		}
		return nil
	})
	t.Logf("up again %v after it was fixed", time.Since(mended).Round(time.Millisecond))
	b.ok(t, "frail", "/")
	b.socketNeverFailed(t, "frail")
	if n := b.number(t, service("frail", 1), "NRestarts"); n != 0 {
		t.Errorf("systemd restarted the supervisor %d times", n)
	}
	t.Run("fixed, it serves at once", b.mended)
	t.Run("a supervisor that cannot start", b.unstarted)
}

const lateConfig = `  late:
    command: [/opt/apps/late.sh]
    user: www-data
    group: www-data
    listen: /run/late.sock
    restart: {delay: 55s, max_delay: 55s}
`

// mended: who waits for the next attempt, nearly a minute away, waits no longer than it takes to report the fix, or
// to see it. The requests have nginx's minute.
func (b *box) mended(t *testing.T) {
	asked := func() <-chan error {
		answer := make(chan error, 1)
		go func() { answer <- b.throughNginx("late", "/")() }()
		within(t, 20*time.Second, func() error {
			if st, err := b.status("late", 1); err != nil || len(st.Workers) != 1 || st.Workers[0].State != "backoff" {
				return fmt.Errorf("status %+v, %v; want a worker that waits", st, err)
			}
			return nil
		})
		return answer
	}
	soon := func(answer <-chan error, begin time.Time) {
		t.Helper()
		if err := <-answer; err != nil {
			t.Error(err)
		}
		took := time.Since(begin)
		t.Logf("answered %v after it was fixed", took.Round(time.Millisecond))
		if took > 20*time.Second {
			t.Error("that is too late")
		}
	}
	b.copyFrom(t, appPath(t, "hello.pl"), programPath("late"), 0o755)
	b.write(t, "/opt/apps/late.sh", "#!/bin/sh\n[ -e /opt/apps/database ] || exit 1\nexec /opt/apps/late.pl\n", 0o755)
	b.deploy(t, frailConfig+lateConfig, "late")

	answer := asked()
	b.write(t, "/opt/apps/database", "", 0o644)
	begin := time.Now()
	b.run(t, "fcgisup", "restart", "late")
	soon(answer, begin)

	b.write(t, "/opt/apps/next", "#!/bin/sh\nexit 1\n", 0o755)
	b.run(t, "mv", "/opt/apps/next", "/opt/apps/late.sh")
	st, err := b.status("late", 1)
	if err != nil || len(st.Workers) != 1 || st.Workers[0].PID == 0 {
		t.Fatalf("status %+v, %v; want a worker", st, err)
	}
	b.kill(t, st.Workers[0].PID)
	answer = asked()
	b.write(t, "/opt/apps/next", "#!/bin/sh\nexec /opt/apps/late.pl\n", 0o755)
	begin = time.Now()
	b.run(t, "mv", "/opt/apps/next", "/opt/apps/late.sh")
	soon(answer, begin)
	if log := b.journal(service("late", 1)); !strings.Contains(log, "the program has changed") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

func (b *box) socketNeverFailed(t *testing.T, app string) {
	t.Helper()
	unit := socket(app, 1)
	if state, result := b.property(t, unit, "ActiveState"), b.property(t, unit, "Result"); state != "active" || result != "success" {
		t.Errorf("%s is %s (%s)", unit, state, result)
	}
	if log := b.journal(unit); strings.Contains(log, "Failed") {
		t.Errorf("%s has failed:\n%s", unit, log)
	}
}

// TestFailingProgramPlain is the same promise without a supervisor: the units of the plain form cannot answer 503,
// but their socket does not fail either.
func TestFailingProgramPlain(t *testing.T) {
	inTurn(t, light)
	b := newBox(t)
	attempts, mend := b.installFrail(t)
	b.startNginx(t)
	b.deploy(t, strings.Replace(frailConfig, "systemd: {", "systemd: {supervise: false, ", 1), "frail")
	if units := b.services(t, "frail"); len(units) != 0 {
		t.Errorf("before any request run %v", units)
	}

	waiting := make(chan error, 1)
	go func() { waiting <- b.throughNginx("frail", "/")() }()
	within(t, time.Minute, func() error {
		if n := attempts(); n < 20 {
			return fmt.Errorf("%d attempts", n)
		}
		return nil
	})
	mend()
	if err := <-waiting; err != nil {
		t.Errorf("the request that waited: %v", err)
	}
	pid, err := b.ask("/run/frail.sock")
	if err != nil {
		t.Fatal(err)
	}
	b.kill(t, pid)
	b.ok(t, "frail", "/")
	b.socketNeverFailed(t, "frail")
	b.run(t, "systemctl", "stop", "frail-fastcgi.target")
	within(t, 10*time.Second, func() error {
		if units := b.running(t, "frail-fastcgi@*"); len(units) != 0 || b.exists("/run/frail.sock") {
			return fmt.Errorf("after stop run %v", units)
		}
		return nil
	})
}
