package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/units"
)

// monitorToken is the one of the box's monitor.
const monitorToken = "0123456789abcdef0123456789abcdef"

// monitorConfig has what a host can have: instances that sleep, one that cannot live, and plain services.
const monitorConfig = `apps:
  idle:
    command: [/opt/apps/lazy.pl]
    instances: 2
    listen: /run/idle%i.sock
  lazy:
    command: [/opt/apps/lazy.pl]
    listen: /run/lazy.sock
  crash:
    command: [/bin/false]
    listen: /run/crash.sock
    limits: {queue_timeout: 100ms}
    restart: {delay: 50ms, max_delay: 100ms}
  plain:
    command: [/opt/apps/plain.pl]
    listen: /run/plain.sock
    health: {path: /, interval: 500ms, timeout: 1s, failures: 2}
    systemd: {supervise: false}
  rest:
    command: [/opt/apps/plain.pl]
    listen: /run/rest.sock
    health: {path: /, interval: 500ms, timeout: 1s, failures: 2}
    systemd: {supervise: false}
  loop:
    command: [/bin/false]
    listen: 127.0.0.1:9150
    health: {path: /, interval: 500ms, timeout: 1s, failures: 2}
    systemd: {supervise: false}
monitor: {interval: 1s, token_file: /etc/fcgisup/token}
alerts:
  for: 1s
  to:
    - {exec: [/opt/apps/page]}
    - {url_file: /etc/fcgisup/hook.url}
`

// TestMonitor: what the monitor says and does on a whole host, as its own unit has it run.
func TestMonitor(t *testing.T) {
	inTurn(t, long)
	b := newBox(t)
	b.installPrograms(t, "lazy", "plain")
	b.startNginx(t)
	b.write(t, "/etc/fcgisup/token", monitorToken+"\n", 0o600)
	b.write(t, "/opt/apps/page", "#!/bin/sh\ncat >>/var/lib/fcgisup/paged\n", 0o755)
	b.write(t, "/etc/fcgisup/hook.url", "generic://127.0.0.1:9180/hook?disabletls=yes\n", 0o600)
	b.deploy(t, monitorConfig, "idle", "lazy", "crash", "plain", "rest", "loop")
	b.write(t, "/etc/systemd/system/"+units.MonitorUnit, b.run(t, "fcgisup", "monitor", "--print-unit"), 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "mkdir", "-p", "/run/fcgisup/rest-1")
	b.run(t, "ln", "-s", "/run/rest.sock", "/run/fcgisup/rest-1/control.sock") // as its user could, to have root wake another's
	b.run(t, "systemctl", "start", units.MonitorUnit)

	t.Run("unit", b.monitorUnit)
	t.Run("sleeping instances are seen and not woken", b.monitorAsleep)
	t.Run("who may look", b.monitorAccess)
	t.Run("a crash loop is down", b.monitorCrash)
	t.Run("a busy plain service is left alone", b.monitorBusy)
	t.Run("a hung plain service is restarted", b.monitorHung)
	t.Run("a broken socket is down", b.monitorSocket)
	t.Run("what the operator stops is stopped", b.monitorStopped)
	t.Run("restart over HTTP", b.monitorRestart)
	t.Run("systemd executes itself again", b.monitorReexec)
	t.Run("a broken configuration changes nothing", b.monitorReload)
	t.Run("alerts leave the sandbox", b.monitorAlerts)
	t.Run("history survives a kill", b.monitorKilled)
	t.Run("apply tells it", b.monitorApply)
	t.Run("sleeping instances still sleep", b.monitorAsleep)
}

// monitorCurl asks the box's monitor, with the token, as a program in the box does.
func (b *box) monitorCurl(args ...string) (string, int) {
	return b.try(append([]string{"curl", "-sS", "-H", "Authorization: Bearer " + monitorToken}, args...)...)
}

// monitorGet asks it without a process, for what waits.
func (b *box) monitorGet(target string) (string, error) {
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:9180"+target, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+monitorToken)
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: b.Dial}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// report is the monitor's newest.
func (b *box) report() (r monitor.Report, err error) {
	out, err := b.monitorGet("/api/v1/status")
	if err == nil {
		err = json.Unmarshal([]byte(out), &r)
	}
	return r, err
}

// monitored waits for an instance that check has no complaint of.
func (b *box) monitored(t *testing.T, app string, n int, check func(i monitor.Instance) error) (found monitor.Instance) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s@%d: %+v\n%s\n%s", app, n, found, b.journal(units.MonitorUnit), b.journal(service(app, n)))
		}
	}()
	within(t, waitLimit, func() error {
		r, err := b.report()
		if err != nil {
			return err
		}
		for _, a := range r.Apps {
			if a.Name == app && len(a.Instances) >= n {
				found = a.Instances[n-1]
				return check(found)
			}
		}
		return fmt.Errorf("%s@%d is not in the report", app, n)
	})
	return found
}

// is wants a health, and a reason if words are given.
func is(h monitor.Health, words string) func(i monitor.Instance) error {
	return func(i monitor.Instance) error {
		if i.Health != h || !strings.Contains(i.Why, words) {
			return fmt.Errorf("%s (%s), want %s (%s)", i.Health, i.Why, h, words)
		}
		return nil
	}
}

func (b *box) monitorUnit(t *testing.T) {
	if out := b.run(t, "systemd-analyze", "verify", "--man=no", "/etc/systemd/system/"+units.MonitorUnit); out != "" {
		t.Errorf("verify says:\n%s", out)
	}
	out := b.run(t, "systemd-analyze", "security", "--no-pager", units.MonitorUnit)
	fields := strings.Fields(out[strings.LastIndex(out, "Overall exposure level"):])
	rating, err := strconv.ParseFloat(fields[len(fields)-3], 64)
	if err != nil || rating > 2.5 {
		t.Errorf("security rates it %v (%v), want 2.5 or better\n%s", rating, err, out)
	}
	t.Logf("security rates it %v", rating)
	within(t, 20*time.Second, func() error {
		if got := b.property(t, units.MonitorUnit, "StatusText"); !strings.HasPrefix(got, "7 instances: ") {
			return fmt.Errorf("status %q", got)
		}
		return nil
	})
}

func (b *box) monitorAsleep(t *testing.T) {
	var first monitor.Instance
	for n := 1; n <= 2; n++ {
		first = b.monitored(t, "idle", n, is(monitor.Asleep, ""))
		if first.SocketUnit != "active/listening" || first.Status != nil {
			t.Errorf("%+v", first)
		}
	}
	b.monitored(t, "rest", 1, is(monitor.Asleep, ""))
	b.monitored(t, "idle", 1, func(i monitor.Instance) error { // some rounds later
		if i.Checked.Sub(first.Checked) < 2*time.Second {
			return fmt.Errorf("checked at %v, at first at %v", i.Checked, first.Checked)
		}
		return nil
	})
	for _, app := range []string{"idle", "rest"} {
		if woken := b.services(t, app); len(woken) > 0 {
			t.Errorf("%v run", woken)
		}
	}
}

func (b *box) monitorAccess(t *testing.T) {
	code := func(args ...string) string {
		return b.run(t, append([]string{"runuser", "-u", "www-data", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"}, args...)...)
	}
	const at = "http://127.0.0.1:9180"
	for _, c := range []struct {
		want string
		args []string
	}{
		{"401", []string{at + "/api/v1/status"}},
		{"401", []string{at + "/metrics"}},
		{"401", []string{at + "/"}},
		{"401", []string{"-X", "POST", at + "/api/v1/restart?app=lazy"}},
		{"401", []string{"-H", "Authorization: Bearer wrong", at + "/"}},
		{"200", []string{at + "/healthz"}},
		{"200", []string{"-H", "Authorization: Bearer " + monitorToken, at + "/metrics"}},
		{"200", []string{"-H", "Authorization: Bearer " + monitorToken, at + "/"}},
	} {
		if got := code(c.args...); got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
	metrics, err := b.monitorGet("/metrics")
	if err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		`fcgisup_instance_state{app="idle",instance="2",state="sleeping"} 1`,
		`fcgisup_instance_health{app="lazy",health="asleep",instance="1"} 1`,
		`fcgisup_instance_health{app="plain",health="down",instance="1"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

func (b *box) monitorCrash(t *testing.T) {
	_, _ = b.get("crash", "/")
	i := b.monitored(t, "crash", 1, is(monitor.Down, "exit"))
	if i.Intended || i.Status == nil {
		t.Errorf("%+v", i)
	}
	b.run(t, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9150")
	if i := b.monitored(t, "loop", 1, is(monitor.Down, "")); i.Intended || i.Restarts > 0 {
		t.Errorf("%+v", i)
	}
	b.run(t, "systemctl", "stop", "loop-fastcgi.target", "crash-fastcgi.target")
	b.monitored(t, "loop", 1, is(monitor.Stopped, ""))
	b.monitored(t, "crash", 1, is(monitor.Stopped, ""))
}

func (b *box) monitorBusy(t *testing.T) {
	b.ok(t, "plain", "/")
	b.monitored(t, "plain", 1, probed)
	pid := b.property(t, service("plain", 1), "MainPID")
	// Out here is another network namespace, like a container's.
	fromElsewhere := func() error { _, err := b.direct("plain", "/sleep?ms=5000"); return err }
	for _, ask := range []func() error{b.throughNginx("plain", "/sleep?ms=5000"), fromElsewhere} {
		answered := make(chan error, 1)
		go func() { answered <- ask() }()
		b.monitored(t, "plain", 1, func(i monitor.Instance) error {
			if i.Probe == nil || i.Probe.Skipped == "" {
				return fmt.Errorf("probe %+v", i.Probe)
			}
			return nil
		})
		if err := <-answered; err != nil {
			t.Error(err)
		}
		b.monitored(t, "plain", 1, probed)
	}
	i := b.monitored(t, "plain", 1, probed)
	if now := b.property(t, service("plain", 1), "MainPID"); now != pid || i.Restarts != 0 || slices.ContainsFunc(i.History, down) {
		t.Errorf("process %s is %s now: %+v", pid, now, i)
	}
}

// probed wants a good probe of a plain instance.
func probed(i monitor.Instance) error {
	if i.Health != monitor.Up || i.Probe == nil || !i.Probe.OK || i.Probe.Skipped != "" {
		return fmt.Errorf("%s, probe %+v", i.Health, i.Probe)
	}
	return nil
}

func down(s monitor.Span) bool { return s.Health == monitor.Down }

func (b *box) monitorHung(t *testing.T) {
	pid := b.property(t, service("plain", 1), "MainPID")
	b.run(t, "kill", "-STOP", pid)
	i := b.monitored(t, "plain", 1, func(i monitor.Instance) error {
		if !slices.ContainsFunc(i.History, down) { // it may be over when we ask
			return fmt.Errorf("%s, it was never down", i.Health)
		}
		return probed(i)
	})
	if now := b.property(t, service("plain", 1), "MainPID"); now == pid || i.Restarts != 1 {
		t.Errorf("process %s is %s now, after %d restarts", pid, now, i.Restarts)
	}
	if log := b.journal(units.MonitorUnit); !strings.Contains(log, "why=\"probes fail") || !strings.Contains(log, "restarting an unhealthy service") || !strings.Contains(log, "evidence.state=T") {
		t.Errorf("the log has no evidence:\n%s", log)
	}
}

func (b *box) monitorSocket(t *testing.T) {
	b.run(t, "mv", "/run/idle2.sock", "/run/idle2.sock.away")
	if i := b.monitored(t, "idle", 2, is(monitor.Down, "/run/idle2.sock is gone")); i.Intended {
		t.Errorf("%+v", i)
	}
	b.run(t, "mv", "/run/idle2.sock.away", "/run/idle2.sock")
	b.monitored(t, "idle", 2, is(monitor.Asleep, ""))
	b.run(t, "systemctl", "stop", socket("idle", 2))
	b.run(t, "mkdir", "-p", "/run/idle2.sock/in-the-way")
	if out, code := b.try("systemctl", "start", socket("idle", 2)); code == 0 {
		t.Fatalf("a socket listens on a directory: %s", out)
	}
	b.monitored(t, "idle", 2, is(monitor.Down, "its socket has failed (resources)"))
	b.run(t, "rm", "-r", "/run/idle2.sock")
	b.run(t, "systemctl", "start", socket("idle", 2))
	b.monitored(t, "idle", 2, is(monitor.Asleep, ""))
}

func (b *box) monitorStopped(t *testing.T) {
	b.ok(t, "lazy", "/")
	b.monitored(t, "lazy", 1, func(i monitor.Instance) error {
		if i.Health != monitor.Up || i.Status == nil || i.ServiceUnit != "active/running" {
			return fmt.Errorf("%+v", i)
		}
		return nil
	})
	b.run(t, "systemctl", "stop", "lazy-fastcgi.target", "plain-fastcgi.target")
	for _, app := range []string{"lazy", "plain"} {
		if i := b.monitored(t, app, 1, is(monitor.Stopped, "socket unit is inactive")); !i.Intended || i.Status != nil {
			t.Errorf("%+v", i)
		}
	}
	b.run(t, "systemctl", "start", "lazy-fastcgi.target", "plain-fastcgi.target")
	b.monitored(t, "lazy", 1, is(monitor.Asleep, ""))
}

func (b *box) monitorRestart(t *testing.T) {
	post := func(query string) string {
		out, _ := b.monitorCurl("-X", "POST", "http://127.0.0.1:9180/api/v1/restart?"+query)
		return out
	}
	if out := post("app=plain&instance=1"); !strings.Contains(out, "none of it runs") {
		t.Errorf("of a sleeping one: %s", out)
	}
	for _, app := range []string{"lazy", "plain"} {
		first, err := workerPID(b.ok(t, app, "/"))
		if err != nil {
			t.Fatal(err)
		}
		b.monitored(t, app, 1, is(monitor.Up, ""))
		within(t, 20*time.Second, func() error { // systemd may be about to say that its service has started
			if out := post("app=" + app); out != "{}\n" {
				return fmt.Errorf("%s: %s", app, out)
			}
			return nil
		})
		if second, err := workerPID(b.ok(t, app, "/")); err != nil || second == first {
			t.Errorf("%s: process %d before and %d after, %v", app, first, second, err)
		}
	}
	b.run(t, "systemctl", "stop", service("lazy", 1), service("plain", 1))
}

// monitorReexec: systemd drops its connections, and with the next round all is known again.
func (b *box) monitorReexec(t *testing.T) {
	b.run(t, "systemctl", "daemon-reexec")
	done := time.Now()
	i := b.monitored(t, "idle", 1, func(i monitor.Instance) error {
		if i.Checked.Before(done.Add(time.Second)) {
			return fmt.Errorf("checked at %v", i.Checked)
		}
		return is(monitor.Asleep, "")(i)
	})
	if slices.ContainsFunc(i.History, func(s monitor.Span) bool { return s.Health == monitor.Unknown }) {
		t.Errorf("%+v", i.History)
	}
}

func (b *box) monitorReload(t *testing.T) {
	b.write(t, "/etc/fcgisup/fcgisup.yaml", "apps: nonsense", 0o644)
	b.run(t, "systemctl", "reload", units.MonitorUnit)
	within(t, 20*time.Second, func() error {
		r, err := b.report()
		if err == nil && (r.ConfigError == "" || len(r.Apps) != 6) {
			err = fmt.Errorf("%q, %d apps", r.ConfigError, len(r.Apps))
		}
		return err
	})
	b.write(t, "/etc/fcgisup/fcgisup.yaml", monitorConfig, 0o644)
	b.run(t, "systemctl", "reload", units.MonitorUnit)
	within(t, 20*time.Second, func() error {
		r, err := b.report()
		if err == nil && r.ConfigError != "" {
			err = fmt.Errorf("still %q", r.ConfigError)
		}
		return err
	})
}

func (b *box) monitorApply(t *testing.T) {
	b.configure(t, strings.Replace(monitorConfig, "instances: 2", "instances: 3", 1))
	b.run(t, "fcgisup", "apply", "--force", "idle")
	b.monitored(t, "idle", 3, is(monitor.Asleep, ""))
}

func (b *box) monitorKilled(t *testing.T) {
	b.monitored(t, "lazy", 1, is(monitor.Asleep, ""))
	before := b.monitored(t, "crash", 1, is(monitor.Stopped, ""))
	within(t, 30*time.Second, func() error { // what has changed is saved
		out := b.read("/var/lib/fcgisup/history.json")
		if want := strconv.FormatInt(before.Since.UnixMilli(), 10); !strings.Contains(out, want) {
			return fmt.Errorf("no %s in %s", want, out)
		}
		return nil
	})
	pid := b.number(t, units.MonitorUnit, "MainPID")
	b.run(t, "kill", "-KILL", strconv.Itoa(pid))
	within(t, 30*time.Second, func() error {
		if now := b.number(t, units.MonitorUnit, "MainPID"); now == pid || now == 0 {
			return fmt.Errorf("its process is %d", now)
		}
		_, err := b.report()
		return err
	})
	after := b.monitored(t, "crash", 1, is(monitor.Stopped, ""))
	if !after.Since.Equal(before.Since) || !slices.ContainsFunc(after.History, down) {
		t.Errorf("stopped since %v, before the kill since %v; %+v", after.Since, before.Since, after.History)
	}
}
