package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
	"github.com/fcgisup/fcgisup/units"
)

// webhook is a notification service on loopback.
type webhook struct {
	*httptest.Server
	mu   sync.Mutex
	said []string
}

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	w := &webhook{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		title, _, _ := strings.Cut(string(body), "\n")
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, title)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *webhook) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

// silent is a service that takes connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// alertWorker is down until the file "mended" is beside it.
const alertWorker = `#!/bin/sh
[ -e %[1]s/mended ] || { echo "password=hunter22" >&2; exit 3; }
exec %[2]s demo-worker
`

const alertConfig = `
monitor: {listen: DIR/monitor.sock, interval: 1s}
alerts:
  for: 2s
  to:
    - {url_file: DIR/hook.url}
    - {url_file: DIR/hangs.url}
    - {name: refuses, url_env: ALERT_TEST_URL}
    - {exec: [DIR/page]}
`

// TestAlerts: a crash loop is told, once, to every target that can be reached, whatever the others do; the monitor is
// killed; what was firing is known to the next one, and its end is told as well.
func TestAlerts(t *testing.T) {
	inTurn(t, long)
	s := newSupervised(t)
	s.binary = fcgisupBinary(t)
	hook := newWebhook(t)
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(strings.ReplaceAll(text, "DIR", s.dir)), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("worker", fmt.Sprintf(alertWorker, s.dir, s.binary), 0o755)
	write("page", "#!/bin/sh\ncat >>DIR/paged\n", 0o755)
	write("hook.url", "generic://"+strings.TrimPrefix(hook.URL, "http://")+"/toPsEcReT?disabletls=yes\n", 0o600)
	write("hangs.url", "generic://"+silent(t)+"/toPsEcReT?disabletls=yes\n", 0o600)
	s.configure(t, "bad", "command: [DIR/worker]\ninstances: 2\nlisten: DIR/a%i.sock\nactivation: eager\nrestart: {delay: 50ms, max_delay: 200ms}")
	apps, err := os.ReadFile(s.configPath())
	if err != nil {
		t.Fatal(err)
	}
	write("fcgisup.yaml", string(apps)+alertConfig, 0o644)
	s.launch(t, s.binary, "run", "--config", s.configPath(), "--control", s.control)

	mon := s.monitor(t, freeAddress(t))
	down := "DOWN: bad (all 2 instances) on " + hostname(t)
	within(t, 60*time.Second, func() error { return equal(hook.heard(), []string{down}) })
	// The page comes although another target hangs and one refuses.
	within(t, 20*time.Second, func() error { return equal(s.paged(t), []string{down}) })
	within(t, 10*time.Second, func() error {
		return mon.alertMetrics(t, `fcgisup_alerts_sent_total{receiver="hook",result="ok"} 1`, `fcgisup_alerts_sent_total{receiver="page",result="ok"} 1`,
			`fcgisup_alerts_pending{receiver="hangs"} 1`, `fcgisup_alerts_pending{receiver="refuses"} 1`, `fcgisup_alerts_firing 2`)
	})

	if err := mon.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-mon.ended
	next := s.monitor(t, hook.Listener.Addr().String()) // the one that refused is back
	within(t, 30*time.Second, func() error { return equal(hook.heard(), []string{down, down}) })
	write("mended", "", 0o644)
	up := "UP: bad (all 2 instances) on " + hostname(t)
	within(t, 60*time.Second, func() error { return equal(hook.heard(), []string{down, down, up, up}) })
	within(t, 20*time.Second, func() error { return equal(s.paged(t), []string{down, up}) })

	if err := next.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-next.ended
	if next.err != nil {
		t.Error(next.err)
	}
	for _, m := range []*supervised{mon, next} {
		for _, secret := range []string{"toPsEcReT", "variablesecret", "hunter22"} {
			if strings.Contains(m.log(), secret) {
				t.Errorf("the log shows %s:\n%s", secret, m.log())
			}
		}
	}
	if text := s.lastPage(t).Text; !strings.Contains(text, "exit status 3") || strings.Contains(text, "hunter22") {
		t.Errorf("the message says %q; want the last error, and nothing that the worker printed", text)
	}
}

// monitor starts one for the supervised app; address is that of the target "refuses".
func (s *supervised) monitor(t *testing.T, address string) *supervised {
	t.Helper()
	m := newSupervised(t)
	m.address = filepath.Join(s.dir, "monitor.sock")
	m.launch(t, "/usr/bin/env", "ALERT_TEST_URL=generic://"+address+"/variablesecret?disabletls=yes",
		s.binary, "monitor", "--config", s.configPath(), "--state-dir", filepath.Join(s.dir, "state"), "--control", s.control)
	return m
}

func (s *supervised) pages(t *testing.T) (all []alert.Notification) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "paged"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n alert.Notification
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, n)
	}
	return all
}

func (s *supervised) paged(t *testing.T) []string {
	t.Helper()
	var titles []string
	for _, n := range s.pages(t) {
		titles = append(titles, n.Title)
	}
	return titles
}

func (s *supervised) lastPage(t *testing.T) alert.Notification {
	t.Helper()
	all := s.pages(t)
	return all[len(all)-1]
}

// alertMetrics wants lines of the monitor's /metrics.
func (s *supervised) alertMetrics(t *testing.T, want ...string) error {
	s.alive(t)
	resp, err := controlClient(s.address).Get("http://localhost/metrics")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for _, line := range want {
		if !strings.Contains(string(text), line+"\n") {
			return fmt.Errorf("no %s in\n%s\n%s", line, text, s.log())
		}
	}
	return nil
}

func equal(got, want []string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("heard %q, want %q", got, want)
	}
	return nil
}

func hostname(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// TestAlertTest: a line for each target, ok or why not, and never a part of a URL.
func TestAlertTest(t *testing.T) {
	inTurn(t, light)
	s := newSupervised(t)
	s.binary = fcgisupBinary(t)
	hook := newWebhook(t)
	address := strings.TrimPrefix(hook.URL, "http://")
	files := map[string]string{
		"hook.url": "generic://" + address + "/toPsEcReT?disabletls=yes", "open.url": "ntfy://h/toPsEcReT",
		"gone.url": "gotify://" + freeAddress(t) + "/AtoPsEcReTiJLVa?disabletls=yes",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.dir, "open.url"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(s.dir, "fcgisup.yaml")
	writeFile(t, config, strings.ReplaceAll(`apps: {a: {command: /bin/true}}
alerts:
  to:
    - {url_file: DIR/hook.url}
    - {url_file: DIR/open.url}
    - {url_file: DIR/gone.url}
    - {exec: /bin/false}
    - {exec: /bin/true}
    - {url_env: NO_SUCH_VARIABLE}
`, "DIR", s.dir))
	out, code := s.alertTest(t, "--config", config)
	for i, want := range []string{"^hook +ok$", "^open +failed: .* has mode 0644: .*chmod 600", "^gone +failed: .*connection refused$", "^false +failed: exit status 1$", "^true +ok$", "^no-such-variable +failed: the environment has no NO_SUCH_VARIABLE$"} {
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 6 || !matches(want, lines[i]) {
			t.Errorf("%q does not match %s:\n%s", lines[min(i, len(lines)-1)], want, out)
		}
	}
	if code != exitFail || strings.Contains(out, "toPsEcReT") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, code := s.alertTest(t, "--config", config, "--receiver", "hook"); code != exitDone || out != "hook  ok\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	want := "TEST: alerts of fcgisup on " + hostname(t)
	if err := equal(hook.heard(), []string{want, want}); err != nil {
		t.Error(err)
	}
	if out, code := s.alertTest(t, "--config", config, "--receiver", "none"); code != exitUsage || !strings.Contains(out, `no receiver is called "none"; there are hook, open`) {
		t.Errorf("exit %d: %s", code, out)
	}
	writeFile(t, config, "apps: {a: {command: /bin/true}}\n")
	if out, code := s.alertTest(t, "--config", config); code != exitFail || !strings.Contains(out, "no receivers") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// alertTest runs the program itself, which is what it runs for each receiver.
func (s *supervised) alertTest(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.binary, append([]string{"alert", "test"}, args...)...)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func matches(pattern, line string) bool { return regexp.MustCompile(pattern).MatchString(line) }

// monitorAlerts: what the unit forbids the monitor is nothing that deliveries need.
func (b *box) monitorAlerts(t *testing.T) {
	defer func() {
		if t.Failed() {
			said, _ := b.monitorGet("/api/v1/alerts")
			t.Logf("targets %s\n%s", said, b.journal(units.MonitorUnit))
		}
	}()
	b.run(t, "systemctl", "start", "crash-fastcgi.target")
	_, _ = b.get("crash", "/")
	within(t, 60*time.Second, func() error {
		paged, err := os.ReadFile(b.path("/var/lib/fcgisup/paged"))
		if err != nil || !strings.Contains(string(paged), `"title":"DOWN: `) || !strings.Contains(string(paged), `"app":"crash"`) {
			return fmt.Errorf("%w; paged %s", err, paged)
		}
		// The hook is the monitor itself, which has no such page.
		said, err := b.monitorGet("/api/v1/alerts")
		if err != nil {
			return err
		}
		var receivers []alert.ReceiverStatus
		if err := json.Unmarshal([]byte(said), &receivers); err != nil || len(receivers) != 2 {
			return fmt.Errorf("%w: %s", err, said)
		}
		if receivers[0].Error != "" || receivers[0].Sent.IsZero() || receivers[1].Pending == 0 || !strings.Contains(receivers[1].Error, "status code: 4") {
			return fmt.Errorf("receivers %s", said)
		}
		return nil
	})
	b.run(t, "systemctl", "stop", "crash-fastcgi.target")
	b.monitored(t, "crash", 1, is(monitor.Stopped, ""))
}
