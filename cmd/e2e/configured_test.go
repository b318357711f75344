package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// rounds is how often a test repeats what it is about: fewer than issues ask for in daily use, as many as
// $FCGISUP_ROUNDS says how often it runs.
func rounds(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("FCGISUP_ROUNDS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FCGISUP_ROUNDS=%q is not a number of rounds", text)
	}
	return n
}

// newConfigured starts `fcgisup run` for an app of a configuration file: keys are the app's, without indent, in
// which DIR stands for the test's directory. It listens on DIR/a.sock unless the keys say otherwise.
func newConfigured(t *testing.T, app, keys string) *supervised {
	t.Helper()
	s := newSupervised(t)
	s.binary = fcgisupBinary(t)
	s.configure(t, app, keys)
	s.launch(t, s.binary, "run", "--config", s.configPath(), "--control", s.control)
	within(t, 20*time.Second, func() error {
		s.alive(t)
		_, err := fetchStatus(t.Context(), s.control)
		return err
	})
	return s
}

func (s *supervised) configPath() string { return filepath.Join(s.dir, "fcgisup.yaml") }

// configure writes the file; the user that tests also runs the program and owns the socket.
func (s *supervised) configure(t *testing.T, app, keys string) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(keys, "listen:") {
		keys += "\nlisten: DIR/a.sock"
	}
	keys += fmt.Sprintf("\nuser: %s\nsocket: {user: %s, group: %s, backlog: 511}", me.Username, me.Username, group.Name)
	keys = strings.ReplaceAll(strings.TrimSpace(keys), "DIR", s.dir)
	text := "apps:\n  " + app + ":\n    " + strings.ReplaceAll(keys, "\n", "\n    ") + "\n"
	if err := os.WriteFile(s.configPath(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reload has the supervisor read its configuration again; it returns when that is done.
func (s *supervised) reload(t *testing.T, app string) {
	t.Helper()
	if out, err := s.fcgisup("reload", app); err != nil {
		t.Fatalf("reload: %v\n%s\n%s", err, out, s.log())
	}
}

// fcgisup runs another command against the control socket.
func (s *supervised) fcgisup(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.binary, append(args, "--control", s.control)...).CombinedOutput()
	return string(out), err
}

// all is the status of every instance.
func (s *supervised) all(t *testing.T) []control.Status {
	t.Helper()
	s.alive(t)
	all, err := fetchStatus(t.Context(), s.control)
	if err != nil {
		t.Fatalf("status: %v\n%s", err, s.log())
	}
	return all
}

// one is the status of the only instance.
func (s *supervised) one(t *testing.T) control.Status {
	t.Helper()
	all := s.all(t)
	if len(all) != 1 {
		t.Fatalf("%d instances, want one", len(all))
	}
	return all[0]
}

// until waits for a status of the only instance that check has no complaint of.
func (s *supervised) until(t *testing.T, limit time.Duration, check func(st control.Status) error) control.Status {
	t.Helper()
	var st control.Status
	pause := 10 * time.Millisecond
	for end := time.Now().Add(max(limit, waitLimit)); ; time.Sleep(pause) {
		st = s.one(t)
		err := check(st)
		if err == nil {
			return st
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %v\n%s\n%s", limit, err, describe(st), s.log())
		}
		pause = min(pause*3/2, 100*time.Millisecond)
	}
}

// describe is a status for a failing test's reader.
func describe(st control.Status) string {
	text := fmt.Sprintf("%s, restarts %v, last failure %+v, probe %+v, missing %v, refused %d, cut %d, workers",
		st.State, st.Restarts, st.LastFailure, st.Probe, st.Missing, st.Rejected, st.Cut)
	for _, w := range st.Workers {
		text += fmt.Sprintf(" %d/%s/%s", w.PID, w.State, strconv.FormatBool(w.Busy != nil && *w.Busy))
	}
	return text
}

// pids are the workers that are ready, by pid.
func pids(st control.Status) []int {
	var all []int
	for _, w := range st.Workers {
		if w.State == control.Ready {
			all = append(all, w.PID)
		}
	}
	return all
}

func isUp(st control.Status) error {
	if st.State != control.Up {
		return fmt.Errorf("the instance is %s", st.State)
	}
	return nil
}

// pinged reports an error until the result of the first ping is known: until then, the end of a worker is put down to it.
func pinged(st control.Status) error {
	if st.Probe == nil || st.Probe.Ping == control.PingUntried {
		return fmt.Errorf("not pinged yet: %+v", st.Probe)
	}
	return nil
}

// settled reports whether n workers are ready and there is no other.
func settled(n int) func(st control.Status) error {
	return func(st control.Status) error {
		if len(st.Workers) != n || len(pids(st)) != n {
			return fmt.Errorf("%d workers, %d of them ready; want %d", len(st.Workers), len(pids(st)), n)
		}
		return nil
	}
}

// asks is a load's request that must be answered whole.
func (s *supervised) asks(target string, params map[string]string) func() error {
	return func() error {
		page, err := fcgiAsk(s.network, s.address, target, nil, params)
		if err == nil {
			_, err = workerPID(page)
		}
		return err
	}
}

// metric is one sample of /metrics, by its text up to the value.
func (s *supervised) metric(t *testing.T, sample string) float64 {
	t.Helper()
	for line := range strings.Lines(s.metrics(t)) {
		if text, ok := strings.CutPrefix(line, sample+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s in /metrics", sample)
	return 0
}

func (s *supervised) metrics(t *testing.T) string {
	t.Helper()
	resp, err := controlClient(s.control).Get("http://fcgisup/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s, %v", resp.Status, err)
	}
	return text.String()
}

// nginx starts an nginx before the app's socket, with nothing that would try a failed request again, and gives its URL.
func (s *supervised) nginx(t *testing.T, params map[string]string) string {
	t.Helper()
	needFiles(t, "/usr/sbin/nginx")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	extra := ""
	for name, value := range params {
		extra += fmt.Sprintf("fastcgi_param %s %s;\n", name, value)
	}
	text := fmt.Sprintf(`user %s;
worker_processes 1;
daemon off;
pid %[2]s/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	fastcgi_temp_path %[2]s/fastcgi;
	server { listen %[3]s backlog=4096; location / {
		include /etc/nginx/fastcgi_params;
		fastcgi_pass unix:%[4]s;
		fastcgi_keep_conn off;
		fastcgi_next_upstream off;
		fastcgi_param SCRIPT_NAME "";
		fastcgi_param PATH_INFO $uri;
		%[5]s
	} }
}
`, me.Username, s.dir, address, s.address, extra)
	config := filepath.Join(s.dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.beside(t, []string{"/usr/sbin/nginx", "-e", "stderr", "-p", s.dir, "-c", config})
	url := "http://" + address
	within(t, 20*time.Second, func() error {
		resp, err := http.Get(url + "/")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", resp.Status)
		}
		return nil
	})
	return url
}

// beside runs another server until the test ends. What it says is in the log.
func (s *supervised) beside(t *testing.T, argv []string) {
	t.Helper()
	process := exec.Command(argv[0], argv[1:]...)
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Stderr = s
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
		_ = process.Wait()
	})
}

// wrk is a running wrk(1): clients that ask again as soon as they are answered.
type wrk struct {
	process *exec.Cmd
	said    bytes.Buffer
}

func startWrk(t *testing.T, url string, clients int) *wrk {
	t.Helper()
	needFiles(t, "/usr/bin/wrk")
	w := &wrk{}
	w.process = exec.Command("/usr/bin/wrk", "-t1", "-c"+strconv.Itoa(clients), "-d10m", "--timeout", "30s", "--latency", url)
	w.process.Stdout, w.process.Stderr = &w.said, &w.said
	if err := w.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.process.Process.Kill() })
	time.Sleep(300 * time.Millisecond)
	return w
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkStatus   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkSlow     = regexp.MustCompile(`99%\s+(\S+)`)
)

// end stops it and tells how many requests were answered, how many of them wrong or not at all, and the 99th
// percentile of the time that took.
func (w *wrk) end(t *testing.T) (asked, failed int, slow string) {
	t.Helper()
	time.Sleep(300 * time.Millisecond)
	if err := w.process.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := w.process.Wait(); err != nil {
		t.Fatalf("wrk: %v\n%s", err, &w.said)
	}
	number := func(re *regexp.Regexp) (sum int) {
		if m := re.FindStringSubmatch(w.said.String()); m != nil {
			for _, text := range m[1:] {
				n, _ := strconv.Atoi(text)
				sum += n
			}
		}
		return sum
	}
	if m := wrkSlow.FindStringSubmatch(w.said.String()); m != nil {
		slow = m[1]
	}
	asked = number(wrkRequests)
	if asked == 0 {
		t.Fatalf("wrk got no answer:\n%s", &w.said)
	}
	return asked, number(wrkStatus) + number(wrkSocket), slow
}
