package e2e

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// applyScales goes up and down under load, with connections of clients that stay and of such that do not.
func (b *box) applyScales(t *testing.T) {
	b.configure(t, applyConfig(5))
	b.apply(t)
	wrk := b.startWrk(t, "/sleep?ms=20")
	slow := startLoad(2, b.throughNginx("web", "/sleep?ms=700"))
	uploads := startLoad(2, b.upload("web", 300_000))
	trickle := startLoad(4, b.trickle("web", 3*time.Second))
	for range rounds(t, 1) {
		for _, n := range []int{2, 7, 5} {
			slow.goesOn(t, 2)
			b.configure(t, applyConfig(n))
			out := b.apply(t)
			if want := regexp.MustCompile(`(?m)^scaled     web: [257] -> ` + strconv.Itoa(n) + ` instances$`); !want.MatchString(out) {
				t.Errorf("scaling to %d said:\n%s", n, out)
			}
			if sockets := b.running(t, "web-fastcgi@*.socket"); len(sockets) != n {
				t.Errorf("scaled to %d there are %v", n, sockets)
			}
			if gone := b.running(t, fmt.Sprintf("web-fastcgi@%d.*", n+1)); len(gone) > 0 {
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
	b   *box
	out chan string
}

// startWrk asks for connections to be closed: wrk counts the end of an idle connection at nginx's reload as an error.
func (b *box) startWrk(t *testing.T, path string) *wrkRun {
	t.Helper()
	w := &wrkRun{b: b, out: make(chan string, 1)}
	_ = os.Remove(b.path("/run/wrk.pid")) // of the one before
	go func() {
		out, _ := b.try("sh", "-c", `echo $$ >/run/wrk.pid; exec wrk -t1 -c2 -d10m --timeout 60s -H "Connection: close" "http://127.0.0.1:8080`+path+`"`)
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
	busy := startLoad(2, b.throughNginx("web", "/sleep?ms=20"))
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
	wrk := b.startWrk(t, "/sleep?ms=20")
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
	wrk := b.startWrk(t, "/sleep?ms=20")
	uploads := startLoad(2, b.upload("web", 300_000))
	b.configure(t, applyConfig(4, "socket: {mode: \"0666\", backlog: 100}"))
	out := b.apply(t)
	uploads.end(t, "uploads while sockets are opened again")
	wrk.end(t, "wrk while sockets are opened again")
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
	release := b.hold(t, "/run/web1.sock")
	b.fails(t, []string{"fcgisup", "apply", "--drain", "1s"}, `step "restart sockets"`, "does not come to rest", "--restart-sockets", "everything is put back")
	if out := b.applyUntil(t, "INT", "waiting until web@1 has served its last requests"); !strings.Contains(out, `step "restart sockets": interrupted; everything is put back`) {
		t.Errorf("interrupted, apply said:\n%s", out)
	}
	if err := release(); err != nil {
		t.Errorf("the request that was being served: %v", err)
	}
	b.apply(t)
	b.ok(t, "web", "/")
}

// applyUntil begins an apply, waits for words of it and then sends it a signal. It returns all that was said.
func (b *box) applyUntil(t *testing.T, signal, words string) string {
	t.Helper()
	_ = os.Remove(b.path("/run/apply.out")) // of the one before
	ended := make(chan struct{})
	go func() {
		_, _ = b.try("sh", "-c", "echo $$ >/run/apply.pid; exec fcgisup apply >/run/apply.out 2>&1")
		close(ended)
	}()
	defer b.logFailures(t)
	within(t, 3*time.Minute, func() error {
		if out := b.read("/run/apply.out"); !strings.Contains(out, words) {
			return fmt.Errorf("%q is not in:\n%s", words, out)
		}
		return nil
	})
	b.run(t, "sh", "-c", "kill -"+signal+" $(cat /run/apply.pid)")
	<-ended
	return b.read("/run/apply.out")
}

// hold keeps an instance busy with a request until release is called, which returns how that was answered. The client is
// in the box: the kernel shows connections only to their own network namespace.
func (b *box) hold(t *testing.T, address string) (release func() error) {
	t.Helper()
	file := fmt.Sprintf("/run/held%d", heldFiles.Add(1))
	held := make(chan error, 1)
	go func() {
		out, _ := b.try("env", "REQUEST_METHOD=GET", "PATH_INFO=/until", "QUERY_STRING="+file, "cgi-fcgi", "-bind", "-connect", address)
		if !strings.Contains(out, "until "+file+"\n") {
			held <- fmt.Errorf("%s answered %q", address, out)
		}
		close(held)
	}()
	b.inFlight(t, address)
	done := sync.OnceValue(func() error {
		b.write(t, file, "", 0o644)
		return <-held
	})
	t.Cleanup(func() { _ = done() })
	return done
}

var heldFiles atomic.Int32

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
	uploads := startLoad(2, b.upload("web", 300_000))
	wrk := b.startWrk(t, "/sleep?ms=20")
	b.configure(t, strings.Replace(applyConfig(4), "/run/web%i.sock", "127.0.0.1:9300", 1))
	b.apply(t)
	uploads.goesOn(t, 10)
	// Down to one: a drop-in goes with its instance.
	b.configure(t, strings.Replace(applyConfig(1), "/run/web%i.sock", "127.0.0.1:9300", 1))
	if out := b.apply(t); !strings.Contains(out, "removed    /etc/systemd/system/web-fastcgi@2.socket.d/listen.conf\n") {
		t.Errorf("apply said:\n%s", out)
	}
	uploads.end(t, "uploads over TCP while scaling")
	wrk.end(t, "wrk over TCP while scaling")
	b.applyNothing(t)
	b.configure(t, applyConfig(2))
	b.apply(t)
	b.ok(t, "web", "/")
	b.applyNothing(t)
}

// applyPlain: programs without a supervisor are cut by every stop, so there has to be nothing to cut.
func (b *box) applyPlain(t *testing.T) {
	b.remove(t, "/etc/nginx/sites-enabled/web.conf")
	b.run(t, "fcgisup", "remove", "web")
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
	wrk := b.startWrk(t, "/sleep?ms=20")
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
