package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// applyFails is an apply that must end with exit code 1 and these words; it must leave everything as it was.
func (b *box) applyFails(t *testing.T, words ...string) {
	t.Helper()
	before := b.host(t)
	b.fails(t, []string{"fcgisup", "apply"}, words...)
	if after := b.host(t); after != before {
		t.Errorf("the host is not as it was:\n%s", cmp.Diff(before, after))
	}
}

// applyKilled kills an apply that has told nginx to leave an instance out: the next one goes on from there.
func (b *box) applyKilled(t *testing.T) {
	b.configure(t, applyConfig(2))
	b.apply(t)
	b.everyInstance(t, 2)
	b.configure(t, applyConfig(2, "socket: {mode: \"0666\"}", "systemd: {service: {TasksMax: 300}}"))
	release := b.hold(t, "/run/web1.sock")
	out := b.applyUntil(t, "KILL", "waiting until web@1 has served its last requests")
	if text := b.run(t, "cat", "/etc/nginx/conf.d/web-upstream.conf"); strings.Count(text, " down;") != 1 {
		t.Errorf("nginx does not leave one out:\n%s", text)
	}
	if strings.Contains(out, "restarted") {
		t.Errorf("apply was not killed in time:\n%s", out)
	}
	b.ok(t, "web", "/")
	if err := release(); err != nil {
		t.Errorf("the request that was being served: %v", err)
	}
	if out := b.apply(t); !strings.Contains(out, "restarted  web-fastcgi@{1..2}.socket\n") {
		t.Errorf("the next apply said:\n%s", out)
	}
	for n := 1; n <= 2; n++ {
		if tasks := b.property(t, service("web", n), "TasksMax"); tasks != "300" {
			t.Errorf("instance %d has TasksMax %s", n, tasks)
		}
	}
	b.applyNothing(t)
	b.configure(t, applyConfig(1))
	b.apply(t)
}

func (b *box) applyBrokenNginx(t *testing.T) {
	b.write(t, "/etc/nginx/sites-enabled/broken.conf", "server { include snippets/nosuch.conf; }\n", 0o644)
	b.configure(t, applyConfig(3))
	b.applyFails(t, `fcgisup: cannot apply: step "test nginx": nginx refuses the configuration: [emerg] open() "/etc/nginx/snippets/nosuch.conf" failed`, "; everything is put back\n")
	b.remove(t, "/etc/nginx/sites-enabled/broken.conf")
	b.nothingStale(t)
	b.apply(t)
	b.genActive(t, "web", 3, len(b.services(t, "web")))
}

func (b *box) applyFailingUnit(t *testing.T) {
	b.everyInstance(t, 3)
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	b.configure(t, applyConfig(4)+"  side: {command: [/opt/apps/side.pl], user: www-data, instances: 2, socket: {user: nosuchuser}}\n")
	b.applyFails(t, "error: app side: socket.user: nosuchuser does not exist on this host.", "cannot apply: 1 error found, nothing has been changed: app side\nhint: ")
	b.configure(t, applyConfig(4)+"  side: {command: [/opt/apps/side.pl], user: www-data, instances: 2, listen: /proc/side%i.sock}\n")
	b.applyFails(t, `cannot apply: step "start": cannot start side-fastcgi@`, `.socket: the job's result is "failed"`, "; everything is put back\n", "hint: journalctl")
	busy.end(t, "load while an apply fails")
	if b.exists("/etc/systemd/system/side-fastcgi@.socket") {
		t.Error("the unit is still there")
	}
	b.configure(t, applyConfig(3))
	b.apply(t) // the file is newer than the supervisors: that it says the same as when they read it is not known
	b.applyNothing(t)
}

// applyFailingEager: what should run at once and does not is a failed start, though systemd calls it started.
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

// applyReopensBack has sockets opened again and back, under load, since the supervisor of another app refuses; without
// that app they are then opened again for good.
func (b *box) applyReopensBack(t *testing.T) {
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	uploads := startLoad(2, b.upload("web", 300_000))
	trickle := startLoad(4, b.trickle("web", time.Second))
	b.configure(t, applyConfig(5, "socket: {backlog: 77}")+strings.Replace(wakeConfig, "/opt/apps/wake.pl", "/bin/false", 1))
	b.fails(t, []string{"fcgisup", "apply"}, "started    web-fastcgi@{4..5}.socket\n", "restarted  web-fastcgi@{1..3}.socket\n",
		`step "reload supervisors": wake@1: the replacement did not come up: exit status 1; everything is put back`,
		"going on without wake\n")
	trickle.end(t, "slow uploads while sockets are opened again and back")
	uploads.end(t, "uploads while sockets are opened again and back")
	busy.end(t, "load while sockets are opened again and back")
	if got := b.property(t, socket("web", 2), "Backlog"); got != "77" {
		t.Errorf("web was not applied without wake: its backlog is %s", got)
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
	release := b.hold(t, "/run/web3.sock")
	out := b.applyUntil(t, "INT", "waiting until web@{2..3} has served its last requests")
	if !strings.Contains(out, `step "stop": `) || !strings.Contains(out, "goes on from there") {
		t.Errorf("interrupted, apply said:\n%s", out)
	}
	b.ok(t, "web", "/")
	if err := release(); err != nil {
		t.Errorf("the request to the instance that goes: %v", err)
	}
	b.apply(t)
	if sockets := b.running(t, "web-fastcgi@*.socket"); !slices.Equal(sockets, []string{socket("web", 1)}) {
		t.Errorf("after the next apply there are %v", sockets)
	}
}

func (b *box) applyLocked(t *testing.T) {
	b.configure(t, applyConfig(2)+wakeConfig)
	b.apply(t)
	b.everyInstance(t, 2)
	b.configure(t, applyConfig(1)+wakeConfig)
	release := b.hold(t, "/run/web2.sock")
	both := make(chan string, 2)
	for range cap(both) {
		go func() {
			out, _ := b.try("fcgisup", "apply")
			both <- out
		}()
	}
	refused := <-both
	if err := release(); err != nil {
		t.Errorf("the request to the instance that goes: %v", err)
	}
	done := <-both
	if !regexp.MustCompile(`^fcgisup: cannot apply: another apply \(pid \d+, user root\) is at work\nhint: `).MatchString(refused) {
		t.Errorf("the second apply said:\n%s", refused)
	}
	if !strings.Contains(done, "stopped    web-fastcgi@2.socket\n") {
		t.Errorf("the first apply said:\n%s", done)
	}
}
