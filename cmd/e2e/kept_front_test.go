package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// keepers are web servers that keep their FastCGI connections. In text DIR stands for the test's directory, where they
// listen on front.sock.
var keepers = map[string]struct {
	argv []string
	text string
}{
	// Without the long pool-purge-delay HAProxy closes idle connections after 5 s.
	"haproxy": {[]string{"/usr/sbin/haproxy", "-db", "-f", "DIR/front.conf"}, `global
	maxconn 64
	nbthread 1
defaults
	mode http
	timeout connect 60s
	timeout client 60s
	timeout server 60s
	http-reuse always
frontend web
	bind unix@DIR/front.sock
	default_backend app
backend app
	use-fcgi-app app
	server app unix@DIR/a.sock proto fcgi pool-purge-delay 5m
fcgi-app app
	docroot DIR
	option keep-conn
`},
	"nginx": {[]string{"/usr/sbin/nginx", "-e", "stderr", "-p", "DIR", "-c", "DIR/front.conf"}, `user root;
worker_processes 1;
daemon off;
pid DIR/nginx.pid;
error_log stderr error;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path DIR/body;
	fastcgi_temp_path DIR/fastcgi;
	upstream app { server unix:DIR/a.sock; keepalive 4; keepalive_timeout 5m; }
	server { listen unix:DIR/front.sock; location / {
		include /etc/nginx/fastcgi_params;
		fastcgi_pass app;
		fastcgi_keep_conn on;
		fastcgi_param SCRIPT_NAME "";
		fastcgi_param PATH_INFO $uri;
	} }
}
`},
}

// keptLimits are those of the tests here: request_timeout is much shorter than a connection is kept, and stop_timeout
// much longer than a stop may take that waits for nothing.
const keptLimits = "\nactivation: eager\nlimits: {request_timeout: 2s, stop_timeout: 60s}"

// TestWebServerKeepsItsConnection has real web servers keep their connection to the only worker. It is reported as kept,
// its worker is neither stuck nor replaced, and a restart does not wait for it.
func TestWebServerKeepsItsConnection(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	for name, keeper := range keepers {
		t.Run(name, func(t *testing.T) {
			needFiles(t, keeper.argv[0])
			s := newConfigured(t, name, "command: ["+appPath(t, "hello.pl")+"]"+keptLimits)
			s.until(t, 30*time.Second, isUp)
			config := filepath.Join(s.dir, "front.conf")
			if err := os.WriteFile(config, []byte(strings.ReplaceAll(keeper.text, "DIR", s.dir)), 0o644); err != nil {
				t.Fatal(err)
			}
			s.beside(t, strings.Split(strings.ReplaceAll(strings.Join(keeper.argv, "\n"), "DIR", s.dir), "\n"))

			worker := s.throughFront(t, 0)
			s.until(t, 15*time.Second, keptBy(worker))
			s.staysKept(t, worker, 6*time.Second)
			// The only worker answers while it is held: the web server has used the same connection.
			if again := s.throughFront(t, 0); again != worker {
				t.Fatalf("worker %d answered, %d before\n%s", again, worker, s.log())
			}
			s.until(t, 15*time.Second, keptBy(worker))
			s.restartsAtOnce(t, name)
			s.until(t, 15*time.Second, keptBy(s.throughFront(t, worker)))
		})
	}
}

// TestStalledUploadIsNotKept is the contrary: a client that sends a part of a request and pauses waits for an answer, be
// it on a fresh connection or on one that was kept. A restart waits until that is given.
func TestStalledUploadIsNotKept(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "upload", "command: ["+appPath(t, "hello.pl")+"]"+keptLimits)
	worker := s.until(t, 30*time.Second, isUp).Workers[0].PID
	body := []byte(strings.Repeat("upload ", 5000))
	request := fcgiRequest("/echo", body, nil)
	request[8+2] = 1 // FCGI_KEEP_CONN
	first, rest := request[:len(request)-len(body)/2], request[len(request)-len(body)/2:]

	conn := s.hold(t, first)
	s.staysBusy(t, worker, 5*time.Second)
	s.finishes(t, conn, rest, len(body))
	s.until(t, 15*time.Second, keptBy(worker))
	if _, err := conn.Write(first); err != nil {
		t.Fatal(err)
	}
	s.until(t, 15*time.Second, busyWith(worker))
	s.staysBusy(t, worker, 5*time.Second)

	restarted := make(chan error, 1)
	go func() {
		out, err := s.fcgisup("restart", "upload")
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		restarted <- err
	}()
	s.until(t, 15*time.Second, func(st control.Status) error {
		if !st.Rolling {
			return fmt.Errorf("no restart under way")
		}
		return nil
	})
	select {
	case err := <-restarted:
		t.Fatalf("restart did not wait for the upload: %v\n%s", err, s.log())
	case <-time.After(4 * time.Second):
	}
	s.finishes(t, conn, rest, len(body))
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	if st := s.one(t); st.Cut != 0 || st.Restarts[control.Stuck] != 0 || st.Workers[0].PID == worker {
		t.Errorf("%s\n%s", describe(st), s.log())
	}
}

// throughFront asks through the web server and returns the pid of the worker that answered, which is not other. A
// failure is repeated: the web server may not listen yet, or not know yet that the worker has closed its connection.
func (s *supervised) throughFront(t *testing.T, other int) (pid int) {
	t.Helper()
	client := &http.Client{Timeout: waitLimit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "front.sock"))
		},
	}}
	within(t, 20*time.Second, func() error {
		resp, err := client.Get("http://front/")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s, %v\n%s", resp.Status, err, s.log())
		}
		if pid, err = workerPID(string(page)); err == nil && pid == other {
			err = fmt.Errorf("worker %d still answers", pid)
		}
		return err
	})
	return pid
}

// keptBy checks that the worker, which is the only one, is held by a kept connection and by nothing else.
func keptBy(worker int) func(st control.Status) error {
	return func(st control.Status) error {
		if err := unharmed(st, worker); err != nil {
			return err
		}
		w := st.Workers[0]
		if st.Kept != 1 || !w.Kept || w.Busy == nil || *w.Busy || st.InFlight == nil || *st.InFlight != 0 {
			return fmt.Errorf("kept %d, worker kept %t, %s", st.Kept, w.Kept, describe(st))
		}
		return nil
	}
}

// busyWith checks that the worker, which is the only one, serves a request and has no kept connection.
func busyWith(worker int) func(st control.Status) error {
	return func(st control.Status) error {
		if err := unharmed(st, worker); err != nil {
			return err
		}
		w := st.Workers[0]
		if st.Kept != 0 || w.Kept || w.Busy == nil || !*w.Busy || st.InFlight == nil || *st.InFlight != 1 {
			return fmt.Errorf("kept %d, worker kept %t, %s", st.Kept, w.Kept, describe(st))
		}
		return nil
	}
}

// unharmed checks that the worker is the only one and that none was stuck.
func unharmed(st control.Status, worker int) error {
	if len(st.Workers) != 1 || st.Workers[0].PID != worker || st.Restarts[control.Stuck] != 0 {
		return fmt.Errorf("want worker %d alone: %s", worker, describe(st))
	}
	return nil
}

// staysKept reads the status as `fcgisup status --json` prints it, which must be that of a kept connection all the time.
func (s *supervised) staysKept(t *testing.T, worker int, long time.Duration) {
	t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, err := s.fcgisup("status", "--json")
		var all []control.Status
		if err != nil || json.Unmarshal([]byte(out), &all) != nil || len(all) != 1 {
			t.Fatalf("status --json: %v\n%s", err, out)
		}
		if err := keptBy(worker)(all[0]); err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, s.log())
		}
	}
}

func (s *supervised) staysBusy(t *testing.T, worker int, long time.Duration) {
	t.Helper()
	s.until(t, 15*time.Second, busyWith(worker))
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := busyWith(worker)(s.one(t)); err != nil {
			t.Fatalf("%v\n%s", err, s.log())
		}
	}
}

// restartsAtOnce restarts the app and checks that nothing was waited for.
func (s *supervised) restartsAtOnce(t *testing.T, app string) {
	t.Helper()
	begun := time.Now()
	if out, err := s.fcgisup("restart", app); err != nil {
		t.Fatalf("restart: %v\n%s\n%s", err, out, s.log())
	}
	took := time.Since(begun)
	t.Logf("restarted in %.2fs", took.Seconds())
	if st := s.one(t); took > 30*time.Second || st.Cut != 0 {
		t.Errorf("restarted in %v, %s\n%s", took, describe(st), s.log())
	}
}

// finishes sends the rest of an upload to /echo, which must have arrived whole.
func (s *supervised) finishes(t *testing.T, conn net.Conn, rest []byte, length int) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(waitLimit)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(rest); err != nil {
		t.Fatal(err)
	}
	page, err := fcgiAnswer(conn)
	if err != nil || !strings.Contains(page, fmt.Sprintf("length %d\n", length)) {
		t.Fatalf("answer %q, %v\n%s", page, err, s.log())
	}
}
