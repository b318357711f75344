package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// shortestToken is how many characters a token must have.
const shortestToken = 16

// watcher is a running "fcgisup monitor" on a unix socket, without systemd.
type watcher struct {
	*exec.Cmd
	socket string
	ended  chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

// Write takes the daemon's log.
func (d *watcher) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *watcher) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// startMonitor starts one in the directory, which ends with the test.
func startMonitor(t *testing.T, binary, dir string, args ...string) *watcher {
	t.Helper()
	d := &watcher{ended: make(chan struct{})}
	d.Cmd = exec.Command(binary, append([]string{"monitor", "--state-dir", filepath.Join(dir, "state")}, args...)...)
	d.Dir, d.Stderr = dir, d
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = d.Process.Kill()
		<-d.ended
	})
	return d
}

// newDaemon starts a monitor and waits for its first report.
func newDaemon(t *testing.T, binary, dir string, args ...string) *watcher {
	t.Helper()
	socket := filepath.Join(dir, "m.sock")
	d := startMonitor(t, binary, dir, append([]string{"--listen", socket, "--interval", "1s"}, args...)...)
	d.socket = socket
	within(t, 20*time.Second, func() error {
		select {
		case <-d.ended:
			t.Fatalf("it has ended: %s", d.said())
		default:
		}
		_, err := d.report(t)
		return err
	})
	return d
}

// listens waits until it has its address; false: another process has.
func (d *watcher) listens(t *testing.T) (it bool) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		select {
		case <-d.ended:
			t.Fatalf("it has ended: %s", d.said())
		default:
		}
		if strings.Contains(d.said(), "address already in use") {
			_ = d.Process.Kill()
			<-d.ended
			return nil
		}
		if it = strings.Contains(d.said(), "fcgisup monitors"); !it {
			return errors.New(d.said())
		}
		return nil
	})
	return it
}

func (d *watcher) get(t *testing.T, target string) (int, string, error) {
	client := controlClient(d.socket)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://monitor"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func (d *watcher) report(t *testing.T) (r monitor.Report, err error) {
	t.Helper()
	code, body, err := d.get(t, "/api/v1/status")
	if err == nil {
		err = json.Unmarshal([]byte(body), &r)
	}
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%d: %s", code, body)
	}
	return r, err
}

// only waits for a health of the only instance.
func (d *watcher) only(t *testing.T, want monitor.Health) (i monitor.Instance) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		r, err := d.report(t)
		if err != nil || len(r.Apps) != 1 || len(r.Apps[0].Instances) != 1 {
			return fmt.Errorf("%+v, %w", r, err)
		}
		if i = r.Apps[0].Instances[0]; i.Health != want {
			return fmt.Errorf("%s (%s), want %s", i.Health, i.Why, want)
		}
		return nil
	})
	return i
}

// stop ends it gently.
func (d *watcher) stop(t *testing.T) {
	t.Helper()
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(waitLimit):
		t.Fatalf("it does not end: %s", d.said())
	}
	if code := d.ProcessState.ExitCode(); code != exitDone {
		t.Errorf("exit %d: %s", code, d.said())
	}
}

// TestMonitorProcess: a monitor and a supervisor in a container, through what can happen to both.
func TestMonitorProcess(t *testing.T) {
	inTurn(t, light)
	s := newConfigured(t, "hello", "command: ["+appPath(t, "hello.pl")+"]\nhealth: {interval: 200ms}")
	state := filepath.Join(s.dir, "state")
	d := newDaemon(t, s.binary, s.dir, "--config", s.configPath(), "--control", s.control)
	d.only(t, monitor.Asleep)
	if code, body, err := d.get(t, "/metrics"); err != nil || code != http.StatusOK || !strings.Contains(body, `fcgisup_instance_health{app="hello",health="asleep",instance="1"} 1`) {
		t.Errorf("%d, %v", code, err)
	}
	if code, body, err := d.get(t, "/"); err != nil || code != http.StatusOK || !strings.Contains(body, "hello") {
		t.Errorf("the page: %d, %v", code, err)
	}
	if out, code := oneMore(t, s.binary, state); code != exitFail || !strings.Contains(out, "another monitor uses it") {
		t.Errorf("two at once: exit %d: %s", code, out)
	}
	if _, err := fcgiAsk("unix", filepath.Join(s.dir, "a.sock"), "/", nil, nil); err != nil {
		t.Fatal(err)
	}
	var before monitor.Instance
	within(t, 20*time.Second, func() error {
		if before = d.only(t, monitor.Up); before.Status == nil || before.Status.Starts == before.Status.Probings {
			return fmt.Errorf("no start is counted in %+v", before.Status)
		}
		return nil
	})
	d.stop(t)
	if left, _ := filepath.Glob(filepath.Join(state, "*.new")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}

	d = newDaemon(t, s.binary, s.dir, "--config", s.configPath(), "--control", s.control)
	if after := d.only(t, monitor.Up); !after.Since.Equal(before.Since) || len(after.History) < 2 {
		t.Errorf("up since %v, before the stop since %v, %v\n%s", after.Since, before.Since, after.History, d.said())
	}
	_ = d.Process.Kill()
	<-d.ended

	if err := os.WriteFile(filepath.Join(state, "history.json"), []byte(`{"format":99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d = newDaemon(t, s.binary, s.dir, "--config", s.configPath(), "--control", s.control) // over the socket that the killed one left
	if after := d.only(t, monitor.Up); len(after.History) != 1 {
		t.Errorf("history %v", after.History)
	}
	if n := strings.Count(d.said(), "cannot read history, starting empty"); n != 1 {
		t.Errorf("%d lines about it in:\n%s", n, d.said())
	}
	d.stop(t)
}

// oneMore tries to start a second monitor in the same directory.
func oneMore(t *testing.T, binary, state string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "monitor", "--listen", state+"/m2.sock", "--state-dir", state).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return string(out), -1
	}
	return string(out), exit.ExitCode()
}

// TestMonitorHungSupervisor: a control socket that never answers delays neither the start nor the page.
func TestMonitorHungSupervisor(t *testing.T) {
	inTurn(t, light)
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "hung.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := newDaemon(t, fcgisupBinary(t), dir, "--control", l.Addr().String())
	within(t, time.Minute, func() error {
		question, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer question.Close()
		if code, _, err := d.get(t, "/healthz"); err != nil || code != http.StatusOK {
			t.Errorf("healthz: %d, %v", code, err)
		}
		// The question is still open if healthz has not waited for its end.
		_ = question.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := io.Copy(io.Discard, question); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the question had an end: %w", err)
		}
		return nil
	})
	d.stop(t)
}

// TestMonitorWithoutConfiguration: what the last monitor knew to be down, and what waits, are there for the next one.
func TestMonitorWithoutConfiguration(t *testing.T) {
	inTurn(t, light)
	dir := t.TempDir()
	path := filepath.Join(dir, "state", "alerts", "alerts.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, `{"version":1,"count":1,"machine":{"troubles":{"a@1":{"since":"2026-01-02T03:04:05Z","bad_ns":1,"told":"2026-01-02T03:05:05Z"}}},
"queues":{"page":{"items":[{"notification":{"id":"web1-1","event":"down"},"queued":"2026-01-02T03:05:05Z","next":"2026-01-02T03:05:05Z"}]}}}`)
	newDaemon(t, fcgisupBinary(t), dir).stop(t)
	kept, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(kept), `"a@1"`) || !strings.Contains(string(kept), `"web1-1"`) {
		t.Errorf("%v, it keeps %s", err, kept)
	}
}

// TestMonitorRefuses: what must not be served is not served, and the hint says what to do.
func TestMonitorRefuses(t *testing.T) {
	inTurn(t, light)
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := file("fcgisup.yaml", "apps: {a: {command: /bin/true}}", 0o644)
	good := strings.Repeat("x", shortestToken)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"all addresses":      {[]string{"--listen", "0.0.0.0:9180"}, "other hosts can reach it\nhint: --token-file"},
		"another address":    {[]string{"--listen", "192.0.2.1:9180"}, "other hosts can reach it"},
		"a name":             {[]string{"--listen", "localhost:9180"}, "other hosts can reach it"},
		"nonsense":           {[]string{"--listen", "9180"}, "--listen: "},
		"too often":          {[]string{"--interval", "1ms"}, "at least 1s"},
		"no token file":      {[]string{"--token-file", dir + "/none"}, "no such file or directory\nhint: openssl"},
		"a short token":      {[]string{"--token-file", file("short", "abc", 0o600)}, "at least 16"},
		"everybody's":        {[]string{"--token-file", file("open", good, 0o644)}, "its mode is 0644"},
		"two lines":          {[]string{"--token-file", file("two", good+"\n"+good, 0o600)}, "one line"},
		"a long one":         {[]string{"--token-file", file("long", strings.Repeat(good, 1000), 0o600)}, "one line"},
		"a directory":        {[]string{"--token-file", dir}, "cannot use the token file"},
		"no state directory": {[]string{"--state-dir", config + "/x", "--listen", dir + "/m.sock"}, "cannot make the monitor's directory"},
		"an argument":        {[]string{"now"}, "monitor takes no argument"},
		"no configuration":   {[]string{"--config", dir + "/none.yaml"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"monitor", "--config", config}, c.args...)
			got := fcgisupRun(t, args...)
			if got.code == exitDone || !strings.Contains(got.err, c.want) || strings.Contains(got.err, good) {
				t.Errorf("exit %d: %s", got.code, got.err)
			}
		})
	}
}

// TestMonitorWithoutItsPort: alerts go on, people hear of it, and the page is there as soon as it can be.
func TestMonitorWithoutItsPort(t *testing.T) {
	inTurn(t, light)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	alerts := filepath.Join(dir, "told")
	config := filepath.Join(dir, "c.yaml")
	text := "apps: {a: {command: /bin/true, listen: " + dir + "/a.sock}}\n" +
		"alerts: {for: 1s, to: [{exec: [/bin/sh, -c, 'cat >>" + alerts + "']}]}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	d := startMonitor(t, fcgisupBinary(t), dir, "--config", config, "--interval", "1s", "--listen", address)
	hears := func(event string) error {
		told, err := os.ReadFile(alerts)
		if err == nil && !(strings.Contains(string(told), `"event":"`+event+`"`) && strings.Contains(string(told), monitor.PageApp)) {
			err = fmt.Errorf("told %q; log %s", told, d.said())
		}
		return err
	}
	within(t, 60*time.Second, func() error { return hears("down") })
	if !strings.Contains(d.said(), "cannot listen on "+address+": address already in use") {
		t.Error(d.said())
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, 90*time.Second, func() error {
		resp, err := http.Get("http://" + address + "/healthz")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	within(t, 60*time.Second, func() error { return hears("up") })
}

// monitorWithToken starts a monitor on all addresses, whose configuration is c.yaml in the directory and whose token is in
// the file "token" there.
func monitorWithToken(t *testing.T, dir, token string) (d *watcher, address string) {
	t.Helper()
	secretFile(t, dir, "token", token)
	for d == nil || !d.listens(t) { // another port if that one was taken meanwhile
		address = strings.Replace(freeAddress(t), "127.0.0.1", "0.0.0.0", 1)
		secretFile(t, dir, "c.yaml", noApp+"monitor: {listen: \""+address+"\", token_file: "+dir+"/token}\n")
		d = startMonitor(t, fcgisupBinary(t), dir, "--config", dir+"/c.yaml")
	}
	return d, address
}

const noApp = "apps: {a: {command: /bin/true}}\n"

func secretFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload has it read its configuration again; it returns when the line is in its log once more.
func (d *watcher) reload(t *testing.T, line string) {
	t.Helper()
	before := strings.Count(d.said(), line)
	if err := d.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, func() error {
		if strings.Count(d.said(), line) == before {
			return errors.New(d.said())
		}
		return nil
	})
}

// TestMonitorToken: a change of the token is in force with the reload, and an address that others can reach keeps
// one whatever the file says.
func TestMonitorToken(t *testing.T) {
	inTurn(t, light)
	dir := t.TempDir()
	first, second := strings.Repeat("a", shortestToken), strings.Repeat("b", shortestToken)
	d, address := monitorWithToken(t, dir, first)
	ask := func(token string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+strings.Replace(address, "0.0.0.0", "127.0.0.1", 1)+"/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	want := func(token string, want int) {
		t.Helper()
		within(t, 20*time.Second, func() error {
			if got, err := ask(token); err != nil || got != want {
				return fmt.Errorf("%d, %w; want %d\n%s", got, err, want, d.said())
			}
			return nil
		})
	}
	want(first, http.StatusOK)
	want("", http.StatusUnauthorized)
	secretFile(t, dir, "token", second)
	d.reload(t, "msg=reloaded")
	want(second, http.StatusOK)
	want(first, http.StatusUnauthorized)
	secretFile(t, dir, "c.yaml", noApp)
	d.reload(t, "reload failed")
	want("", http.StatusUnauthorized)
	want(second, http.StatusOK)
	if strings.Contains(d.said(), first) || strings.Contains(d.said(), second) {
		t.Errorf("the log has a token:\n%s", d.said())
	}
	d.stop(t)
}
