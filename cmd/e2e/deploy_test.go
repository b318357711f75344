package e2e

import (
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// deploy does what the README tells an admin to do: configuration, gen, copy, enable, reload nginx.
func (b *box) deploy(t *testing.T, config string, apps ...string) {
	t.Helper()
	b.configure(t, config)
	b.run(t, "fcgisup", "validate")
	b.run(t, "fcgisup", "gen", "--out", "/run/gen")
	b.run(t, "sh", "-ec", `
		cp -r /run/gen/systemd/. /etc/systemd/system/
		mkdir -p /etc/nginx/locations
		mv /run/gen/nginx/*-location.conf /etc/nginx/locations/
		cp /run/gen/nginx/*.conf /etc/nginx/conf.d/
		rm -r /run/gen`)
	b.run(t, "systemctl", "daemon-reload")
	enable := []string{"systemctl", "enable", "--now", "-q"}
	for _, app := range apps {
		b.site(t, app)
		enable = append(enable, app+"-fastcgi.target")
	}
	b.run(t, enable...)
	b.reloadNginx(t)
}

func (b *box) configure(t *testing.T, config string) {
	t.Helper()
	b.write(t, "/etc/fcgisup/fcgisup.yaml", config, 0o644)
}

// installPrograms gives every app a copy of hello.pl under its own name, so that a process names its app.
func (b *box) installPrograms(t *testing.T, apps ...string) {
	t.Helper()
	b.copyFrom(t, procPath(t, builtFcgisup), "/usr/bin/fcgisup", 0o755)
	for _, app := range apps {
		b.copyFrom(t, appPath(t, "hello.pl"), programPath(app), 0o755)
	}
}

func programPath(app string) string { return path.Join("/opt/apps", app+".pl") }

func service(app string, n int) string { return fmt.Sprintf("%s-fastcgi@%d.service", app, n) }
func socket(app string, n int) string  { return fmt.Sprintf("%s-fastcgi@%d.socket", app, n) }

// services lists the app's services that run.
func (b *box) services(t *testing.T, app string) []string {
	t.Helper()
	return b.running(t, app+"-fastcgi@*.service")
}

// processes lists everything in the box that runs for the app: supervisors and programs.
func (b *box) processes(t *testing.T, app string) []string {
	t.Helper()
	return slices.Collect(maps.Values(b.processesLike(t, "fcgisup run --app "+app+"( |$)|"+regexp.QuoteMeta(programPath(app)))))
}

// ask sends one FastCGI request straight to an instance's socket and gives the worker's pid in the box.
func (b *box) ask(address string) (int, error) {
	page, err := fcgiAsk("unix", b.path(address), "/", nil, nil)
	if err != nil {
		return 0, err
	}
	return workerPID(page)
}

// status is what a supervisor says of an instance, or else `fcgisup status --json`.
func (b *box) status(app string, n int) (control.Status, error) {
	all := b.told(app, n)
	if all == nil {
		out, code := b.try("fcgisup", "status", app, "--json")
		if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil {
			return control.Status{}, fmt.Errorf("fcgisup status: exit %d, %w: %s", code, err, out)
		}
	}
	for _, one := range all {
		if one.App == app && one.Instance == n {
			return one, nil
		}
	}
	return control.Status{}, fmt.Errorf("nothing of %s@%d in %+v", app, n, all)
}

// load asks again and again from several sides at once until it is stopped.
type load struct {
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	asked  int
	failed []string
}

// A side of a load pauses twice as long as its request took, within these bounds. That leaves processor time to what is
// tested: more requests do not see more of it.
const (
	loadPause    = 20 * time.Millisecond
	maxLoadPause = 100 * time.Millisecond
)

// startLoad asks from several sides at once until it is ended.
func startLoad(sides int, ask func() error) *load {
	l := &load{stop: make(chan struct{})}
	for range sides {
		l.done.Go(func() {
			for pause := time.Duration(0); ; {
				select {
				case <-l.stop:
					return
				case <-time.After(pause):
				}
				begin := time.Now()
				l.count(ask())
				pause = min(max(2*time.Since(begin), loadPause), maxLoadPause)
			}
		})
	}
	return l
}

func (l *load) count(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if err != nil {
		l.failed = append(l.failed, time.Now().Format(time.StampMilli)+" "+err.Error())
	}
}

// goesOn returns when n more requests have ended.
func (l *load) goesOn(t *testing.T, n int) {
	t.Helper()
	asked := func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.asked }
	want := asked() + n
	within(t, 30*time.Second, func() error {
		if now := asked(); now < want {
			return fmt.Errorf("%d requests, want %d", now, want)
		}
		return nil
	})
}

// end stops the load and complains of every request that failed.
func (l *load) end(t *testing.T, what string) {
	t.Helper()
	close(l.stop)
	l.done.Wait()
	t.Logf("%s: %d requests, %d failed", what, l.asked, len(l.failed))
	if l.asked == 0 {
		t.Errorf("%s: no request was made", what)
	}
	for i, failure := range l.failed {
		if i == 5 {
			t.Errorf("%s: … and %d more", what, len(l.failed)-i)
			break
		}
		t.Errorf("%s: %s", what, failure)
	}
}

// throughNginx is a load's request to the app's site that must be answered 200.
func (b *box) throughNginx(app, target string) func() error {
	return func() error {
		got, err := b.get(app, target)
		if err == nil && got.status != 200 {
			err = fmt.Errorf("answered %v", got)
		}
		return err
	}
}

// upload is a load's POST that must arrive whole.
func (b *box) upload(app string, size int) func() error {
	body := strings.Repeat("x", size)
	want := fmt.Sprintf("length %d\nsha1 %x\n", size, sha1.Sum([]byte(body)))
	return func() error {
		got, err := b.send("POST", app, "/echo", strings.NewReader(body))
		if err == nil && (got.status != 200 || !strings.HasPrefix(got.body, want)) {
			err = fmt.Errorf("answered %v, want %q", got, want)
		}
		return err
	}
}

// notRefused is a load's request straight to a socket that may be cut, when its worker is killed, but never be
// refused or find no socket.
func (b *box) notRefused(address string) func() error {
	return func() error {
		_, err := b.ask(address)
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
			return err
		}
		return nil
	}
}
