package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// asksFromElsewhere asks a unix socket from another network namespace, as a web server in a container does. The kernel
// counts an accepted unix connection to its client's namespace, where sock_diag(7) does not show it to us.
func (s *supervised) asksFromElsewhere(t *testing.T, path, query string) <-chan outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	client := exec.CommandContext(ctx, "unshare", "--net", "cgi-fcgi", "-bind", "-connect", s.address)
	client.Env = []string{
		"REQUEST_METHOD=GET", "SERVER_PROTOCOL=HTTP/1.1", "SCRIPT_NAME=", "PATH_INFO=" + path, "QUERY_STRING=" + query,
		"REQUEST_URI=" + path + "?" + query, "SERVER_NAME=localhost", "SERVER_PORT=80", "CONTENT_LENGTH=0",
	}
	answer := make(chan outcome, 1)
	go func() {
		begin := time.Now()
		page, err := client.CombinedOutput()
		answer <- outcome{string(page), err, time.Since(begin)}
	}()
	return answer
}

// TestClientInAnotherNetwork: neither is a worker that serves such a client taken for idle and stopped, nor for dead
// because probes wait behind it.
func TestClientInAnotherNetwork(t *testing.T) {
	inTurn(t, light)
	if os.Getuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	needFiles(t, "/usr/bin/perl", "/usr/bin/unshare", "/usr/bin/cgi-fcgi")
	t.Run("restart", func(t *testing.T) {
		t.Parallel()
		s := newConfigured(t, "far", fmt.Sprintf("command: [%s]\nhealth: {interval: 0s}", compiledGo(t))) // dies at once on TERM
		pid := s.hello(t, nil)
		s.until(t, 10*time.Second, isUp)
		far := s.asksFromElsewhere(t, "/sleep", "ms=2000")
		time.Sleep(500 * time.Millisecond)
		if out, err := s.fcgisup("restart", "far"); err != nil {
			t.Errorf("restart: %v\n%s", err, out)
		}
		if o := <-far; o.err != nil || !strings.Contains(o.page, "slept 2000") || !strings.Contains(o.page, fmt.Sprintf("pid %d\n", pid)) {
			t.Errorf("over a restart: %q, %v\n%s", o.page, o.err, s.log())
		}
	})
	t.Run("probes", func(t *testing.T) {
		t.Parallel()
		s := newConfigured(t, "far", fmt.Sprintf("command: [%s]\nhealth: {interval: 300ms, timeout: 300ms, failures: 2}", appPath(t, "hello.pl")))
		pid := s.hello(t, nil)
		s.until(t, 10*time.Second, isUp)
		far := s.asksFromElsewhere(t, "/sleep", "ms=4000")
		s.until(t, 3*time.Second, func(st control.Status) error {
			w := st.Workers[0]
			if *st.InFlight != 1 || w.Busy == nil || !*w.Busy || w.PID != pid {
				return fmt.Errorf("in flight %d; %s", *st.InFlight, describe(st))
			}
			return nil
		})
		if o := <-far; o.err != nil || !strings.Contains(o.page, "slept 4000") {
			t.Errorf("over probes: %q, %v\n%s", o.page, o.err, s.log())
		}
		if st := s.one(t); st.Workers[0].PID != pid || st.Restarts[control.Probe]+st.Restarts[control.Stuck] != 0 {
			t.Errorf("%s", describe(st))
		}
	})
}
