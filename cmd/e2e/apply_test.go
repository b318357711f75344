package e2e

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup/units"
)

// applyConfig is the configuration of the app "web" with so many instances; more are further keys of it.
func applyConfig(instances int, more ...string) string {
	keys := append([]string{
		"command: [/opt/apps/web.pl]", "user: www-data", "group: www-data", "listen: /run/web%i.sock",
		"health: {path: /, interval: 500ms}", "limits: {stop_timeout: 10s}", fmt.Sprintf("instances: %d", instances),
	}, more...)
	return "apps:\n  web:\n    " + strings.Join(keys, "\n    ") + "\n"
}

// wakeConfig is a second app.
const wakeConfig = "  wake: {command: [/opt/apps/wake.pl], user: www-data, instances: 2, activation: eager, listen: /run/wake%i.sock, health: {path: /}}\n"

// newApplyHost is a box with nginx and the programs, whose configuration is applied as it says or not at all.
func newApplyHost(t *testing.T, applied bool) *box {
	t.Helper()
	b := newBox(t)
	b.installPrograms(t, "web", "side", "wake")
	b.startNginx(t)
	b.write(t, "/etc/nginx/sites-enabled/web.conf", fmt.Sprintf(`server {
	listen unix:%s;
	listen 127.0.0.1:8080;
	client_max_body_size 64m;
	include snippets/web-location.conf;
}
`, siteSocket("web")), 0o644)
	b.configure(t, applyConfig(2))
	if applied {
		b.apply(t)
	}
	return b
}

// TestApply is the life of an app on a host, by apply and remove alone, under real systemd and behind real nginx.
func TestApply(t *testing.T) {
	inTurn(t, long)
	b := newApplyHost(t, false)
	// The order matters: it is the life of web.
	t.Run("not root", b.applyNotRoot)
	t.Run("without systemd", b.applyWithoutSystemd)
	t.Run("a draft", b.applyDraft)
	t.Run("dry run", b.applyDryRun)
	t.Run("first", b.applyFirst)
	t.Run("again", func(t *testing.T) { b.applyNothing(t) })
	t.Run("without a message bus", b.applyWithoutBus)
	t.Run("lock", b.applyLocked)
	t.Run("a dropped app goes", b.applyDropped)
	t.Run("remove", b.removeApp)
	t.Run("files copied from gen", b.applyCopied)
	t.Run("without nginx", b.applyWithoutNginx)
	t.Run("the monitor", b.applyMonitor)
}

// TestApplyLosesNoRequest changes a running app in each way under load.
func TestApplyLosesNoRequest(t *testing.T) {
	inTurn(t, busy)
	b := newApplyHost(t, true)
	t.Run("scaling loses no request", b.applyScales)
	t.Run("a changed app is reloaded", b.applyReloads)
	t.Run("a changed service is restarted", b.applyRestarts)
	t.Run("a changed socket is opened again", b.applyReopens)
	t.Run("a moved socket", b.applyMoves)
	t.Run("without supervisor", b.applyPlain)
}

// TestApplyUndoes: what an apply cannot finish it puts back, and what ends in its midst the next one finishes.
func TestApplyUndoes(t *testing.T) {
	inTurn(t, busy)
	b := newApplyHost(t, true)
	// The order matters.
	t.Run("a killed apply", b.applyKilled)
	t.Run("a broken nginx file", b.applyBrokenNginx)
	t.Run("a failing unit", b.applyFailingUnit)
	t.Run("an eager app that does not answer", b.applyFailingEager)
	t.Run("another app's supervisor that refuses", b.applyReopensBack)
	t.Run("an edited file", b.applyEdited)
	t.Run("an interrupted apply", b.applyInterrupted)
}

// apply is fcgisup apply, which must succeed.
func (b *box) apply(t *testing.T, args ...string) string {
	t.Helper()
	return b.run(t, append([]string{"fcgisup", "apply"}, args...)...)
}

func (b *box) fails(t *testing.T, argv []string, words ...string) {
	t.Helper()
	out, code := b.try(argv...)
	if code != exitFail {
		t.Fatalf("%v: exit %d, want %d\n%s", argv, code, exitFail, out)
	}
	for _, word := range words {
		if !strings.Contains(out, word) {
			t.Errorf("%q is not in:\n%s", word, out)
		}
	}
}

// host is what apply may change: files, links, records, and which units run.
func (b *box) host(t *testing.T) string {
	t.Helper()
	var all []string
	for _, root := range []string{"/etc/systemd/system", "/etc/nginx", "/var/lib/fcgisup/apply"} {
		if !b.exists(root) {
			continue
		}
		err := filepath.WalkDir(b.path(root), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.Type().IsRegular():
				content, err := os.ReadFile(path)
				all = append(all, fmt.Sprintf("%s/%s %x", root, strings.TrimPrefix(path, b.path(root)+"/"), sha256.Sum256(content)))
				return err
			case d.Type()&fs.ModeSymlink != 0 && strings.Contains(path, "fcgi"):
				all = append(all, root+strings.TrimPrefix(path, b.path(root)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	moves := func(u unitState) bool { return u.Active == "activating" || u.Active == "deactivating" }
	known := b.units(t, "*-fastcgi*")
	// An instance answers before systemd knows that it is ready.
	for end := time.Now().Add(waitLimit); slices.ContainsFunc(known, moves) && time.Now().Before(end); known = b.units(t, "*-fastcgi*") {
		time.Sleep(100 * time.Millisecond)
	}
	for _, u := range known {
		if u.Load != "not-found" {
			all = append(all, u.Name+" "+u.Active+" "+u.Sub)
		}
	}
	return strings.Join(all, "\n")
}

func (b *box) applyNothing(t *testing.T) {
	t.Helper()
	before := b.host(t)
	if out := b.apply(t); out != "nothing to do: configuration, files and units agree\n" {
		t.Errorf("apply said:\n%s", out)
	}
	if after := b.host(t); after != before {
		t.Errorf("the host has changed:\n%s", cmp.Diff(before, after))
	}
}

func (b *box) applyNotRoot(t *testing.T) {
	b.fails(t, []string{"runuser", "-u", "www-data", "--", "fcgisup", "apply"},
		"fcgisup: cannot apply: only root may write units and start them\nhint: sudo fcgisup apply; --dry-run shows the plan to everybody\n")
	b.fails(t, []string{"runuser", "-u", "www-data", "--", "fcgisup", "apply", "--config", "/srv/my apps.yaml"}, "hint: sudo fcgisup apply --config '/srv/my apps.yaml'; ")
	if out := b.run(t, "runuser", "-u", "www-data", "--", "fcgisup", "apply", "--dry-run"); !strings.Contains(out, "created    /etc/systemd/system/web-fastcgi.target\n") {
		t.Errorf("the plan for another user:\n%s", out)
	}
}

func (b *box) applyWithoutSystemd(t *testing.T) {
	b.fails(t, []string{"unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && exec fcgisup apply"},
		"fcgisup: cannot apply: systemd does not run here\nhint: fcgisup run supervises without it, as in a container\n")
}

// applyDraft: what is applied has to be what the units read.
func (b *box) applyDraft(t *testing.T) {
	b.write(t, "/srv/draft/fcgisup.yaml", applyConfig(1), 0o644)
	b.fails(t, []string{"sh", "-c", "cd /srv/draft && exec fcgisup apply"},
		"fcgisup: cannot apply fcgisup.yaml: the units would read /etc/fcgisup/fcgisup.yaml\nhint: copy it there")
	b.fails(t, []string{"fcgisup", "apply", "--binary", "/usr/bin/nosuch"}, "fcgisup: cannot apply: the units would run /usr/bin/nosuch, and there is none\nhint: ")
	if out := b.run(t, "sh", "-c", "cd /etc/fcgisup && exec fcgisup apply --dry-run"); !strings.Contains(out, "web-fastcgi@{1..2}.socket") {
		t.Errorf("the plan in the configuration's own directory:\n%s", out)
	}
}

func (b *box) applyDryRun(t *testing.T) {
	before := b.host(t)
	out := b.apply(t, "--dry-run")
	for _, want := range []string{
		"created    /etc/systemd/system/web-fastcgi@.socket\n", "created    /etc/nginx/snippets/web-location.conf\n",
		"enabled    web-fastcgi.target\n", "reloaded   systemd\n", "started    web-fastcgi@{1..2}.socket\n", "reloaded   nginx\n",
		"--- /dev/null\n+++ /etc/nginx/conf.d/web-upstream.conf (generated)\n", "+	server unix:/run/web2.sock max_fails=0;\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the plan:\n%s", want, out)
		}
	}
	if after := b.host(t); after != before {
		t.Errorf("a dry run has changed the host:\n%s", cmp.Diff(before, after))
	}
}

func (b *box) applyFirst(t *testing.T) {
	t.Log("\n" + b.apply(t))
	b.genActive(t, "web", 2, 0)
	b.ok(t, "web", "/")
	if state, _ := b.try("systemctl", "is-enabled", "web-fastcgi.target"); strings.TrimSpace(state) != "enabled" {
		t.Errorf("the target is %s", state)
	}
}

// applyWithoutBus: systemd has a socket of its own for root.
func (b *box) applyWithoutBus(t *testing.T) {
	b.run(t, "systemctl", "stop", "dbus.socket", "dbus.service")
	defer b.run(t, "systemctl", "start", "dbus.socket")
	b.applyNothing(t)
	b.configure(t, applyConfig(3))
	b.apply(t)
	b.genActive(t, "web", 3, len(b.services(t, "web")))
}

func (b *box) applyDropped(t *testing.T) {
	b.configure(t, applyConfig(2))
	out := b.apply(t)
	for _, want := range []string{"removed    /etc/nginx/conf.d/wake-upstream.conf\n", "stopped    wake-fastcgi@{1..2}.socket\n", "disabled   wake-fastcgi.target\n", "removed    /etc/systemd/system/wake-fastcgi@.service\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	b.nothingOf(t, "wake")
	b.applyNothing(t)
}

// nothingOf checks that an app has gone.
func (b *box) nothingOf(t *testing.T, app string) {
	t.Helper()
	left, _ := b.try("sh", "-c", "ls -d /etc/systemd/system/"+app+"-fastcgi* /etc/systemd/system/*/"+app+"-fastcgi* /etc/nginx/*/"+app+"-* /run/"+app+"*.sock /run/fcgisup/"+app+"-* /var/lib/fcgisup/apply/"+app+".json 2>/dev/null")
	if left += strings.Join(b.unitsOf(t, app+"-fastcgi*"), "\n"); left != "" {
		t.Errorf("left of %s:\n%s", app, left)
	}
}

func (b *box) removeApp(t *testing.T) {
	dropIn := "/etc/systemd/system/web-fastcgi@.service.d/mine.conf"
	b.write(t, dropIn, "[Service]\nTasksMax=400\n", 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.applyNothing(t)
	b.ok(t, "web", "/")

	before := b.host(t)
	b.fails(t, []string{"fcgisup", "remove", "web"}, `cannot remove web: step "test nginx": nginx refuses the configuration: [emerg]`, "snippets/web-location.conf", "; everything is put back\n")
	if after := b.host(t); after != before {
		t.Errorf("the host is not as it was:\n%s", cmp.Diff(before, after))
	}
	b.ok(t, "web", "/")
	b.nothingStale(t)

	b.remove(t, "/etc/nginx/sites-enabled/web.conf")
	if out := b.run(t, "fcgisup", "remove", "web", "--dry-run"); !strings.Contains(out, "removed    /etc/systemd/system/web-fastcgi@.socket\n") || b.host(t) == "" {
		t.Errorf("the plan:\n%s", out)
	}
	t.Log("\n" + b.run(t, "fcgisup", "remove", "web"))
	if !b.exists(dropIn) {
		t.Error("the administrator's drop-in is gone")
	}
	b.run(t, "rm", "-r", "/etc/systemd/system/web-fastcgi@.service.d")
	b.nothingOf(t, "web")
	b.fails(t, []string{"fcgisup", "remove", "web"}, "cannot remove web: there is no such app on this host")
}

// applyCopied: what gen made and an administrator copied is ours, but for what was edited.
func (b *box) applyCopied(t *testing.T) {
	copied := func() {
		b.configure(t, applyConfig(2))
		b.run(t, "sh", "-c", `cd /srv && fcgisup gen --out build && cp -r build/systemd/. /etc/systemd/system/ &&
			cp build/nginx/web-upstream.conf /etc/nginx/conf.d/ && cp build/nginx/web-location.conf /etc/nginx/snippets/ && rm -r build`)
		b.run(t, "systemctl", "daemon-reload")
		b.run(t, "systemctl", "enable", "--now", "web-fastcgi.target")
	}
	copied()
	b.configure(t, applyConfig(5))
	if out := b.apply(t); !strings.Contains(out, "scaled     web: 2 -> 5 instances\n") {
		t.Errorf("apply said:\n%s", out)
	}
	b.run(t, "fcgisup", "remove", "web")
	copied()
	b.run(t, "fcgisup", "remove", "web")
	b.nothingOf(t, "web")
	copied()
	place := "/etc/systemd/system/web-fastcgi@.service"
	b.run(t, "sed", "-i", "s/^TimeoutStopSec=.*/TimeoutStopSec=99s/", place)
	b.configure(t, applyConfig(5))
	for _, command := range []string{"apply", "remove web"} {
		b.fails(t, append([]string{"fcgisup"}, strings.Fields(command)...), "fcgisup: cannot "+command+": "+place+" was not written by fcgisup apply\n")
	}
	b.configure(t, applyConfig(2))
	b.run(t, "fcgisup", "remove", "web", "--force")
	b.nothingOf(t, "web")
}

// applyMonitor: the first configuration starts what waited for it; what is the
// monitor's alone restarts the monitor, and no app hears of it.
func (b *box) applyMonitor(t *testing.T) {
	b.write(t, "/etc/systemd/system/"+units.MonitorUnit, b.run(t, "fcgisup", "monitor", "--print-unit"), 0o644)
	b.remove(t, "/etc/fcgisup/fcgisup.yaml")
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "enable", "--now", units.MonitorUnit)
	says := func(config, want string) {
		t.Helper()
		b.configure(t, config)
		for _, args := range [][]string{{"--dry-run"}, nil} {
			out := b.apply(t, args...)
			if !strings.Contains(out, want+units.MonitorUnit+"\n") || strings.Contains(out, "reloaded   web") {
				t.Errorf("apply %v said:\n%s", args, out)
			}
		}
		if out := b.apply(t); !strings.Contains(out, "nothing to do: ") {
			t.Errorf("the next apply said:\n%s", out)
		}
	}
	says(applyConfig(1), "started    ")
	if _, err := b.ask("/run/web1.sock"); err != nil {
		t.Error(err)
	}
	says(applyConfig(1)+"monitor: {listen: /run/fcgisup/page.sock}\n", "restarted  ")
	if !b.exists("/run/fcgisup/page.sock") {
		t.Error("the monitor does not listen where it should")
	}
	b.run(t, "systemctl", "stop", units.MonitorUnit)
	b.configure(t, applyConfig(1))
	if out := b.apply(t); !strings.Contains(out, "nothing to do: ") || len(b.running(t, units.MonitorUnit)) != 0 {
		t.Errorf("with a monitor that was stopped by hand, apply said:\n%s", out)
	}
}

// nothingStale: what was put back is no younger than those that have read it.
func (b *box) nothingStale(t *testing.T) {
	t.Helper()
	out, _ := b.try("fcgisup", "doctor")
	for _, rule := range []string{"daemon-reload-needed", "nginx-not-reloaded"} {
		if strings.Contains(out, rule) {
			t.Errorf("%s, says doctor:\n%s", rule, out)
		}
	}
}

func (b *box) applyWithoutNginx(t *testing.T) {
	b.run(t, "systemctl", "stop", "nginx.service")
	if out := b.apply(t); !strings.Contains(out, "nginx does not run") || !b.exists("/etc/nginx/conf.d/web-upstream.conf") {
		t.Errorf("with nginx stopped, apply said:\n%s", out)
	}
	// One that another user started.
	b.run(t, "sh", "-c", "nginx >/dev/null 2>&1")
	var before []int
	within(t, 20*time.Second, func() error { // its daemon begins after the command's end
		if before = b.nginxWorkers(t); len(before) == 0 {
			return errors.New("nginx has no workers yet")
		}
		return nil
	})
	b.configure(t, applyConfig(3))
	if out := b.apply(t); !strings.Contains(out, "reloaded   nginx\n") {
		t.Errorf("with nginx started by hand, apply said:\n%s", out)
	}
	b.configure(t, applyConfig(2))
	b.apply(t)
	if now := b.nginxWorkers(t); len(now) == 0 || slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) }) {
		t.Errorf("nginx workers before %v, now %v", before, now)
	}
	b.run(t, "nginx", "-s", "stop")
	within(t, 20*time.Second, func() error { // its processes end after the command
		if left := b.processesLike(t, "^nginx: "); len(left) > 0 {
			return fmt.Errorf("nginx still runs: %v", left)
		}
		return nil
	})
	b.run(t, "fcgisup", "remove", "web")
	b.run(t, "mv", "/usr/sbin/nginx", "/usr/sbin/nginx-away")
	out := b.apply(t)
	if !strings.Contains(out, "nginx is not installed here: units only") || strings.Contains(out, "/etc/nginx") || b.exists("/etc/nginx/conf.d/web-upstream.conf") {
		t.Errorf("without nginx, apply said:\n%s", out)
	}
	if _, err := b.ask("/run/web1.sock"); err != nil {
		t.Error(err)
	}
	b.run(t, "fcgisup", "remove", "web")
	b.nothingOf(t, "web")
}
