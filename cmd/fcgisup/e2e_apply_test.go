package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
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

// TestApply is the life of an app on a host, by apply and remove alone, under real systemd and behind real nginx.
func TestApply(t *testing.T) {
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

	// The order matters: it is the life of web.
	t.Run("not root", b.applyNotRoot)
	t.Run("without systemd", b.applyWithoutSystemd)
	t.Run("a draft", b.applyDraft)
	t.Run("dry run", b.applyDryRun)
	t.Run("first", b.applyFirst)
	t.Run("again", func(t *testing.T) { b.applyNothing(t) })
	t.Run("without a message bus", b.applyWithoutBus)
	t.Run("scaling loses no request", b.applyScales)
	t.Run("a changed app is reloaded", b.applyReloads)
	t.Run("a changed service is restarted", b.applyRestarts)
	t.Run("a changed socket is opened anew", b.applyReopens)
	t.Run("a moved socket", b.applyMoves)
	t.Run("a broken nginx file", b.applyBrokenNginx)
	t.Run("a failing unit", b.applyFailingUnit)
	t.Run("an eager app that does not answer", b.applyFailingEager)
	t.Run("an eager app with changed sockets that does not answer", b.applyReopensBack)
	t.Run("an edited file", b.applyEdited)
	t.Run("an interrupted apply", b.applyInterrupted)
	t.Run("lock", b.applyLocked)
	t.Run("a dropped app goes", b.applyDropped)
	t.Run("remove", b.removeApp)
	t.Run("without supervisor", b.applyPlain)
	t.Run("without nginx", b.applyWithoutNginx)
}

// apply is fcgisup apply, which must succeed.
func (b *box) apply(t *testing.T, args ...string) string {
	t.Helper()
	return b.run(t, append([]string{"fcgisup", "apply"}, args...)...)
}

// applyFails is an apply that must end with exit code 1 and these words; it must leave everything as it was.
func (b *box) applyFails(t *testing.T, words ...string) {
	t.Helper()
	before := b.host(t)
	b.fails(t, []string{"fcgisup", "apply"}, words...)
	if after := b.host(t); after != before {
		t.Errorf("the host is not as it was:\n%s", unifiedDiff("before", "after", before, after))
	}
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
	return b.run(t, "sh", "-c", `
		cd / && find etc/systemd/system etc/nginx var/lib/fcgisup -type f -exec sha256sum {} + | sort -k2
		find etc/systemd/system -type l -name '*fcgi*' | sort
		systemctl list-units --all --plain --no-legend '*-fastcgi*' | awk '$2 != "not-found" {print $1, $3, $4}' | sort`)
}

func (b *box) applyNothing(t *testing.T) {
	t.Helper()
	before := b.host(t)
	if out := b.apply(t); out != "nothing to do: configuration, files and units agree\n" {
		t.Errorf("apply said:\n%s", out)
	}
	if after := b.host(t); after != before {
		t.Errorf("the host has changed:\n%s", unifiedDiff("before", "after", before, after))
	}
}

func (b *box) applyNotRoot(t *testing.T) {
	b.fails(t, []string{"runuser", "-u", "www-data", "--", "fcgisup", "apply"},
		"fcgisup: cannot apply: only root may write units and start them\nhint: sudo fcgisup apply; --dry-run shows the plan to everybody\n")
	if out := b.run(t, "runuser", "-u", "www-data", "--", "fcgisup", "apply", "--dry-run"); !strings.Contains(out, "created    /etc/systemd/system/web-fastcgi.target\n") {
		t.Errorf("the plan for somebody else:\n%s", out)
	}
}

func (b *box) applyWithoutSystemd(t *testing.T) {
	b.fails(t, []string{"unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && exec fcgisup apply"},
		"fcgisup: cannot apply: systemd does not run here\nhint: fcgisup run supervises without it, as in a container\n")
}

// applyDraft: what is applied has to be what the units read.
func (b *box) applyDraft(t *testing.T) {
	b.write(t, "/root/draft/fcgisup.yaml", applyConfig(1), 0o644)
	b.fails(t, []string{"sh", "-c", "cd /root/draft && exec fcgisup apply"},
		"fcgisup: cannot apply fcgisup.yaml: the units would read /etc/fcgisup/fcgisup.yaml\nhint: copy it there")
	b.fails(t, []string{"fcgisup", "apply", "--binary", "/usr/bin/nosuch"}, "fcgisup: cannot apply: the units would run /usr/bin/nosuch, and there is none\nhint: ")
	if out := b.run(t, "sh", "-c", "cd /etc/fcgisup && exec fcgisup apply --dry-run"); !strings.Contains(out, "web-fastcgi@{1..2}.socket") {
		t.Errorf("the plan in the configuration's own folder:\n%s", out)
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
		t.Errorf("a dry run has changed the host:\n%s", unifiedDiff("before", "after", before, after))
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
	b.genActive(t, "web", 3, len(b.services("web")))
}

// applyScales goes up and down under load, with connections of clients that stay and of such that do not.
func (b *box) applyScales(t *testing.T) {
	b.configure(t, applyConfig(5))
	b.apply(t)
	wrk := b.startWrk(t, "/sleep?ms=5")
	slow := startLoad(2, b.throughNginx("web", "/sleep?ms=700"))
	uploads := startLoad(2, b.upload("web", 300_000))
	trickle := startLoad(4, b.trickle("web", 3*time.Second))
	for range rounds(t, 2) {
		for _, n := range []int{2, 7, 5} {
			time.Sleep(time.Second)
			b.configure(t, applyConfig(n))
			out := b.apply(t)
			if want := regexp.MustCompile(`(?m)^scaled     web: [257] -> ` + strconv.Itoa(n) + ` instances$`); !want.MatchString(out) {
				t.Errorf("scaling to %d said:\n%s", n, out)
			}
			if sockets := b.running("web-fastcgi@*.socket"); len(sockets) != n {
				t.Errorf("scaled to %d there are %v", n, sockets)
			}
			if gone := b.running(fmt.Sprintf("web-fastcgi@%d.*", n+1)); len(gone) > 0 {
				t.Errorf("scaled to %d there is still %v", n, gone)
			}
		}
	}
	slow.end(t, "slow requests while scaling")
	uploads.end(t, "uploads while scaling")
	trickle.end(t, "slow uploads while scaling")
	wrk.end(t, "wrk while scaling")
	b.applyNothing(t)
}

// trickle is an upload that takes so long: nginx chooses its server at the end, when its worker may be an old one.
func (b *box) trickle(app string, long time.Duration) func() error {
	return func() error {
		body, writer := io.Pipe()
		go func() {
			for range 10 {
				time.Sleep(long / 10)
				_, _ = io.WriteString(writer, "0123456789")
			}
			_ = writer.Close()
		}()
		got, err := b.send("POST", app, "/echo", body)
		_ = body.Close()
		if err == nil && (got.status != 200 || !strings.HasPrefix(got.body, "length 100\n")) {
			err = fmt.Errorf("answered %v", got)
		}
		return err
	}
}

// wrkRun is a wrk in the box.
type wrkRun struct {
	b    *box
	out  chan string
	stop func()
}

// startWrk asks for connections to be closed: wrk counts the end of an idle connection at nginx's reload as an error.
func (b *box) startWrk(t *testing.T, path string) *wrkRun {
	t.Helper()
	w := &wrkRun{b: b, out: make(chan string, 1)}
	b.remove0("/run/wrk.pid")
	go func() {
		out, _ := b.try("sh", "-c", `echo $$ >/run/wrk.pid; exec wrk -t1 -c4 -d100s -H "Connection: close" "http://127.0.0.1:8080`+path+`"`)
		w.out <- out
	}()
	within(t, 10*time.Second, func() error {
		if !b.exists("/run/wrk.pid") {
			return fmt.Errorf("wrk has not begun")
		}
		return nil
	})
	return w
}

func (b *box) remove0(name string) { _ = os.Remove(b.path(name)) }

// end interrupts wrk, which then reports. Nothing but 200 counts, and no error.
func (w *wrkRun) end(t *testing.T, what string) {
	t.Helper()
	w.b.run(t, "sh", "-c", "kill -INT $(cat /run/wrk.pid)")
	out := <-w.out
	asked := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out)
	if asked == nil || asked[1] == "0" {
		t.Fatalf("%s:\n%s", what, out)
	}
	if strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") {
		t.Errorf("%s:\n%s", what, out)
	}
	t.Logf("%s: %s requests, 0 failed", what, asked[1])
}

func (b *box) applyReloads(t *testing.T) {
	b.everyInstance(t, 5)
	supervisor := b.property(t, service("web", 1), "MainPID")
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	b.configure(t, applyConfig(5, "environment: {GREETING: new}"))
	if out := b.apply(t); out != "reloaded   web@{1..5}\n" {
		t.Errorf("apply said:\n%s", out)
	}
	busy.end(t, "load during reload")
	if err := b.greets("new"); err != nil {
		t.Error(err)
	}
	if now := b.property(t, service("web", 1), "MainPID"); now != supervisor {
		t.Errorf("the supervisor was %s, after reload it is %s", supervisor, now)
	}
	b.applyNothing(t)
}

// everyInstance wakes all.
func (b *box) everyInstance(t *testing.T, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		if _, err := b.ask(fmt.Sprintf("/run/web%d.sock", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *box) applyRestarts(t *testing.T) {
	pid := b.property(t, service("web", 1), "MainPID")
	wrk := b.startWrk(t, "/sleep?ms=5")
	uploads := startLoad(2, b.upload("web", 300_000))
	b.configure(t, applyConfig(5, "environment: {GREETING: new}", "systemd: {service: {TasksMax: 500}}"))
	out := b.apply(t)
	uploads.end(t, "uploads during restarts")
	wrk.end(t, "wrk during restarts")
	if !strings.Contains(out, "\nrestarted  web-fastcgi@{1..5}.service\n") {
		t.Errorf("apply said:\n%s", out)
	}
	if got := b.property(t, service("web", 1), "TasksMax"); got != "500" {
		t.Errorf("TasksMax is %s", got)
	}
	if now := b.property(t, service("web", 1), "MainPID"); now == pid {
		t.Errorf("the supervisor is still %s", pid)
	}
	b.applyNothing(t)
}

func (b *box) applyReopens(t *testing.T) {
	wrk := b.startWrk(t, "/sleep?ms=5")
	uploads := startLoad(2, b.upload("web", 300_000))
	b.configure(t, applyConfig(4, "socket: {mode: \"0666\", backlog: 100}"))
	out := b.apply(t)
	uploads.end(t, "uploads while sockets are opened anew")
	wrk.end(t, "wrk while sockets are opened anew")
	if !strings.Contains(out, "\nrestarted  web-fastcgi@{1..4}.socket\n") {
		t.Errorf("apply said:\n%s", out)
	}
	for n := 1; n <= 4; n++ {
		if mode := strings.TrimSpace(b.run(t, "stat", "-c", "%a", fmt.Sprintf("/run/web%d.sock", n))); mode != "666" {
			t.Errorf("socket %d has mode %s", n, mode)
		}
	}
	if text := b.run(t, "cat", "/etc/nginx/conf.d/web-upstream.conf"); strings.Contains(text, " down") {
		t.Errorf("nginx still leaves instances out:\n%s", text)
	}
	b.applyNothing(t)

	b.configure(t, applyConfig(1, "socket: {mode: \"0660\"}"))
	held := b.hold("/run/web1.sock", 5000)
	b.inFlight(t, "/run/web1.sock")
	b.fails(t, []string{"fcgisup", "apply", "--drain", "1s"}, `step "restart sockets"`, "does not come to rest", "--restart-sockets", "everything is put back")
	if err := <-held; err != nil {
		t.Errorf("the request that was being served: %v", err)
	}
	b.apply(t)
	b.ok(t, "web", "/")
}

// hold keeps an instance busy from within the box: the kernel shows connections only to their own network namespace.
func (b *box) hold(address string, ms int) <-chan error {
	held := make(chan error, 1)
	go func() {
		out, _ := b.try("env", "REQUEST_METHOD=GET", "PATH_INFO=/sleep", fmt.Sprintf("QUERY_STRING=ms=%d", ms), "cgi-fcgi", "-bind", "-connect", address)
		if !strings.Contains(out, fmt.Sprintf("slept %d\n", ms)) {
			held <- fmt.Errorf("%s answered %q", address, out)
		}
		close(held)
	}()
	return held
}

// inFlight waits until a request is being served at sockets of this name.
func (b *box) inFlight(t *testing.T, pattern string) {
	t.Helper()
	within(t, 10*time.Second, func() error {
		if out, _ := b.try("ss", "-xH", "state", "established", "src", pattern); strings.TrimSpace(out) == "" {
			return fmt.Errorf("no request is being served")
		}
		return nil
	})
}

func (b *box) applyMoves(t *testing.T) {
	b.configure(t, strings.Replace(applyConfig(2), "/run/web%i.sock", "127.0.0.1:9300", 1))
	b.apply(t)
	b.ok(t, "web", "/")
	if left := strings.TrimSpace(b.run(t, "sh", "-c", "ls /run/web*.sock 2>/dev/null || true")); left != "" {
		t.Errorf("left behind: %s", left)
	}
	for n := 1; n <= 2; n++ {
		if got, want := b.property(t, socket("web", n), "Listen"), fmt.Sprintf("127.0.0.1:%d (Stream)", 9299+n); got != want {
			t.Errorf("instance %d listens on %q, want %q", n, got, want)
		}
	}
	// Down to one: a drop-in goes with its instance.
	b.configure(t, strings.Replace(applyConfig(1), "/run/web%i.sock", "127.0.0.1:9300", 1))
	if out := b.apply(t); !strings.Contains(out, "removed    /etc/systemd/system/web-fastcgi@2.socket.d/listen.conf\n") {
		t.Errorf("apply said:\n%s", out)
	}
	b.applyNothing(t)
	b.configure(t, applyConfig(2))
	b.apply(t)
	b.ok(t, "web", "/")
	b.applyNothing(t)
}

func (b *box) applyBrokenNginx(t *testing.T) {
	b.write(t, "/etc/nginx/sites-enabled/broken.conf", "server { include snippets/nosuch.conf; }\n", 0o644)
	b.configure(t, applyConfig(3))
	b.applyFails(t, `fcgisup: cannot apply: step "test nginx": nginx refuses the configuration: [emerg] open() "/etc/nginx/snippets/nosuch.conf" failed`, "; everything is put back\n")
	b.remove(t, "/etc/nginx/sites-enabled/broken.conf")
	b.apply(t)
	b.genActive(t, "web", 3, len(b.services("web")))
}

func (b *box) applyFailingUnit(t *testing.T) {
	b.everyInstance(t, 3)
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	b.configure(t, applyConfig(4)+"  side: {command: [/opt/apps/side.pl], user: www-data, instances: 2, socket: {user: nosuchuser}}\n")
	b.applyFails(t, `cannot apply: step "start": cannot start side-fastcgi@`, `.socket: the job's result is "failed"`, "; everything is put back\n", "hint: journalctl")
	busy.end(t, "load while an apply fails")
	if b.exists("/etc/systemd/system/side-fastcgi@.socket") {
		t.Error("the unit is still there")
	}
	b.configure(t, applyConfig(3))
	b.apply(t) // the file is newer than the supervisors: that it says the same as when they read it nobody knows
	b.applyNothing(t)
}

// applyFailingEager: what shall run at once and does not is a failed start, though systemd calls it started.
func (b *box) applyFailingEager(t *testing.T) {
	b.configure(t, applyConfig(3)+strings.Replace(wakeConfig, "/opt/apps/wake.pl", "/bin/false", 1))
	b.applyFails(t, `step "probe eager instances": wake@`, "everything is put back", "journalctl -u wake-fastcgi@")
	b.configure(t, applyConfig(3)+wakeConfig)
	if out := b.apply(t); !strings.Contains(out, "started    wake-fastcgi@{1..2}.service\n") || !strings.Contains(out, "probed     wake@{1..2}\n") {
		t.Errorf("apply said:\n%s", out)
	}
	for n := 1; n <= 2; n++ {
		if st, err := b.status("wake", n); err != nil || st.State != "up" {
			t.Errorf("apply returned with wake@%d %+v, %v", n, st, err)
		}
	}
	b.applyNothing(t)
}

// applyReopensBack has sockets opened anew in vain, under load.
func (b *box) applyReopensBack(t *testing.T) {
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	b.configure(t, applyConfig(3, "socket: {backlog: 77}")+strings.Replace(wakeConfig, "/opt/apps/wake.pl", "/bin/false", 1))
	b.applyFails(t, "restarted  web-fastcgi@{1..3}.socket\n", `step "reload supervisors": wake@1: the replacement did not come up: exit status 1; everything is put back`)
	busy.end(t, "load while sockets are opened anew and back")
	if got := b.property(t, socket("web", 2), "Backlog"); got == "77" {
		t.Errorf("the backlog is still %s", got)
	}
	b.configure(t, applyConfig(3)+wakeConfig)
	b.apply(t)
	b.applyNothing(t)
}

func (b *box) applyEdited(t *testing.T) {
	place := "/etc/systemd/system/web-fastcgi@.service"
	b.run(t, "sed", "-i", "s/^TimeoutStopSec=.*/TimeoutStopSec=99s/", place)
	b.applyFails(t, "fcgisup: cannot apply: "+place+" was edited since fcgisup apply wrote it\nhint: ")
	b.write(t, "/etc/systemd/system/other-fastcgi.target", "[Unit]\nDescription=Mine\n", 0o644)
	b.configure(t, applyConfig(3)+"  other: {command: [/opt/apps/side.pl], user: www-data}\n")
	b.applyFails(t, "/etc/systemd/system/other-fastcgi.target is not of fcgisup")
	b.remove(t, "/etc/systemd/system/other-fastcgi.target")
	b.configure(t, applyConfig(3)+wakeConfig)
	if out := b.apply(t, "--force"); !strings.Contains(out, "changed    "+place+"\n") {
		t.Errorf("apply --force said:\n%s", out)
	}
	b.applyNothing(t)
}

// applyInterrupted ends an apply that waits for a request, by signal; the next one goes on from there.
func (b *box) applyInterrupted(t *testing.T) {
	b.everyInstance(t, 3)
	b.configure(t, applyConfig(1)+wakeConfig)
	held := b.hold("/run/web3.sock", 6000)
	b.inFlight(t, "/run/web3.sock")
	out, _ := b.try("timeout", "--signal=INT", "2", "fcgisup", "apply")
	if !strings.Contains(out, `step "stop": `) || !strings.Contains(out, "goes on from there") {
		t.Errorf("interrupted, apply said:\n%s", out)
	}
	b.ok(t, "web", "/")
	if err := <-held; err != nil {
		t.Errorf("the request to the instance that goes: %v", err)
	}
	b.apply(t)
	if sockets := b.running("web-fastcgi@*.socket"); !slices.Equal(sockets, []string{socket("web", 1)}) {
		t.Errorf("after the next apply there are %v", sockets)
	}
}

func (b *box) applyLocked(t *testing.T) {
	b.configure(t, applyConfig(2)+wakeConfig)
	b.apply(t)
	b.everyInstance(t, 2)
	b.configure(t, applyConfig(1)+wakeConfig)
	serving := b.hold("/run/web2.sock", 5000)
	b.inFlight(t, "/run/web2.sock")
	both := make(chan string, 2)
	for range cap(both) {
		go func() {
			out, _ := b.try("fcgisup", "apply")
			both <- out
		}()
	}
	refused, done := <-both, <-both
	if !regexp.MustCompile(`^fcgisup: cannot apply: another apply \(pid \d+, user root\) is at work\nhint: `).MatchString(refused) {
		t.Errorf("the second apply said:\n%s", refused)
	}
	if !strings.Contains(done, "stopped    web-fastcgi@2.socket\n") {
		t.Errorf("the first apply said:\n%s", done)
	}
	if err := <-serving; err != nil {
		t.Errorf("the request to the instance that goes: %v", err)
	}
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
	units, _ := b.try("systemctl", "list-units", "--all", "--plain", "--no-legend", app+"-fastcgi*")
	if left += units; left != "" {
		t.Errorf("left of %s:\n%s", app, left)
	}
}

func (b *box) removeApp(t *testing.T) {
	dropIn := "/etc/systemd/system/web-fastcgi@.service.d/mine.conf"
	b.write(t, dropIn, "[Service]\nTasksMax=400\n", 0o644)
	b.applyNothing(t)
	b.ok(t, "web", "/")

	before := b.host(t)
	b.fails(t, []string{"fcgisup", "remove", "web"}, `cannot remove web: step "test nginx": nginx refuses the configuration: [emerg]`, "snippets/web-location.conf", "; everything is put back\n")
	if after := b.host(t); after != before {
		t.Errorf("the host is not as it was:\n%s", unifiedDiff("before", "after", before, after))
	}
	b.ok(t, "web", "/")

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

// applyPlain: programs that nobody supervises are cut by every stop, so there has to be nothing to cut.
func (b *box) applyPlain(t *testing.T) {
	site := strings.ReplaceAll(`server {
	listen unix:SOCKET;
	listen 127.0.0.1:8080;
	include snippets/web-location.conf;
}
`, "SOCKET", siteSocket("web"))
	b.write(t, "/etc/nginx/sites-enabled/web.conf", site, 0o644)
	plain := "systemd: {supervise: false}"
	b.configure(t, applyConfig(3, plain))
	b.apply(t)
	slow := startLoad(2, b.throughNginx("web", "/sleep?ms=300"))
	uploads := startLoad(3, b.upload("web", 300_000))
	wrk := b.startWrk(t, "/sleep?ms=5")
	for _, n := range []int{5, 2} {
		b.configure(t, applyConfig(n, plain))
		b.apply(t)
	}
	b.configure(t, applyConfig(2, plain, "environment: {GREETING: plain}"))
	if out := b.apply(t); !strings.Contains(out, "restarted  web-fastcgi@{1..2}.service\n") {
		t.Errorf("apply said:\n%s", out)
	}
	slow.end(t, "slow requests of a plain app while it scales and restarts")
	uploads.end(t, "uploads to a plain app while it scales and restarts")
	wrk.end(t, "wrk of a plain app while it scales and restarts")
	b.applyNothing(t)
	b.remove(t, "/etc/nginx/sites-enabled/web.conf")
	b.run(t, "fcgisup", "remove", "web")
	b.nothingOf(t, "web")
	b.configure(t, applyConfig(2))
}

func (b *box) applyWithoutNginx(t *testing.T) {
	b.run(t, "systemctl", "stop", "nginx.service")
	if out := b.apply(t); !strings.Contains(out, "nginx does not run") || !b.exists("/etc/nginx/conf.d/web-upstream.conf") {
		t.Errorf("with nginx stopped, apply said:\n%s", out)
	}
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
