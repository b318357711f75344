package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// template waits until workers are forked from a template other than those.
func (s *supervised) template(t *testing.T, others ...int) int {
	t.Helper()
	st := s.until(t, 20*time.Second, func(st control.Status) error {
		if st.Template == nil || st.Template.State != control.TemplateReady || slices.Contains(others, st.Template.PID) {
			return fmt.Errorf("the template is %+v", st.Template)
		}
		return nil
	})
	return st.Template.PID
}

// forked checks that a worker is the supervisor's child in a group of its own, and returns whether it was forked.
func (s *supervised) forked(t *testing.T, worker int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", worker))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	var state string
	var parent, group int
	if _, err := fmt.Sscan(after, &state, &parent, &group); err != nil || parent != s.command.Process.Pid || group != worker {
		t.Errorf("worker %d has parent %d and group %d (%v)", worker, parent, group, err)
	}
	return strings.Contains(s.log(), fmt.Sprintf("from=starting to=ready pid=%d", worker))
}

// TestPrefork: the workers of a Perl program come from a template, which is replaced when it dies, with each restart
// and by the program that takes over; no request is lost, and nothing outlives the supervisor.
func TestPrefork(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "pre", fmt.Sprintf("command: [%s]\nworkers: {min: 3, max: 4, prefork: perl}\nhealth: {interval: 0s}", appPath(t, "hello.pl")))
	s.hello(t, nil)
	s.until(t, 20*time.Second, settled(3))
	template := s.template(t)
	for _, pid := range pids(s.one(t)) {
		if pid == template || !s.forked(t, pid) {
			t.Errorf("%d is a worker; the template is %d", pid, template)
		}
	}
	requests := startLoad(2, s.asks("/sleep?ms=5", nil))
	for range rounds(t, 3) {
		s.restartAll(t, "pre")
		template = s.template(t, template)
	}
	if err := syscall.Kill(template, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	next := s.template(t, template)
	before := pids(s.one(t))
	s.handOver(t, syscall.SIGUSR2)
	last := s.template(t, next)
	if after := pids(s.until(t, 20*time.Second, settled(3))); !slices.Equal(before, after) {
		t.Errorf("workers were %v, and are %v after the handover", before, after)
	}
	requests.end(t, "requests over restarts, a dead template and a handover")

	victim := before[0]
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st := s.until(t, 20*time.Second, func(st control.Status) error {
		if slices.Contains(pids(st), victim) {
			return errors.New("not replaced yet")
		}
		return settled(3)(st)
	})
	if st.Restarts[control.Crash] == 0 || st.LastFailure == nil || st.LastFailure.Detail != "signal killed" {
		t.Errorf("the end of a forked worker is told wrong: %s", describe(st))
	}
	all := append(pids(st), last)
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range all {
		within(t, 10*time.Second, func() error {
			if !dead(pid) {
				return fmt.Errorf("process %d outlives its supervisor", pid)
			}
			return nil
		})
	}
}

// TestPreforkSleeps: the template goes with the workers, or stays for as long as limits.template_idle says.
func TestPreforkSleeps(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/perl")
	for name, c := range map[string]struct {
		limits string
		stays  bool
	}{"it goes": {"{idle_timeout: 100ms}", false}, "it stays": {"{idle_timeout: 100ms, template_idle: 1h}", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newConfigured(t, "pre", fmt.Sprintf("command: [%s]\nworkers: {min: 1, max: 2, prefork: perl}\nhealth: {interval: 0s}\nlimits: %s", appPath(t, "hello.pl"), c.limits))
			s.hello(t, nil)
			asleep := func(st control.Status) error {
				if st.State != control.Sleeping || len(st.Workers) > 0 {
					return errors.New(describe(st))
				}
				return nil
			}
			st := s.until(t, 20*time.Second, asleep)
			if stays := st.Template != nil; stays != c.stays {
				t.Fatalf("asleep, the template is %+v", st.Template)
			}
			s.hello(t, nil)
			if loaded := strings.Count(s.log(), "msg=template app=pre instance=1 from=starting to=ready"); (loaded == 1) != c.stays {
				t.Errorf("the program was loaded %d times\n%s", loaded, s.log())
			}
			s.configure(t, "pre", fmt.Sprintf("command: [%s]\nworkers: {min: 1, max: 2}\nhealth: {interval: 0s}", appPath(t, "hello.pl")))
			s.reload(t, "pre")
			if st := s.one(t); st.Template != nil {
				t.Errorf("after prefork was turned off the template is %+v", st.Template)
			}
			s.hello(t, nil)
		})
	}
}

// TestPreforkFallsBack: what cannot be forked is a worker as ever, at once, and status says why.
func TestPreforkFallsBack(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	host, port, _ := net.SplitHostPort(l.Addr().String())
	hello, err := os.ReadFile(appPath(t, "hello.pl"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(hello), "\n")
	connect := fmt.Sprintf("use IO::Socket::INET; our $db = IO::Socket::INET->new(PeerAddr => '%s', PeerPort => %s) or die;\n", host, port)
	for name, c := range map[string]struct{ program, prefork, want string }{
		"taint mode":   {"#!/usr/bin/perl -T\n" + body, "perl", "taint mode"},
		"forks itself": {"#!/usr/bin/perl\n$SIG{TERM} = sub { kill TERM => our $child; wait; exit };\nif (our $child = fork) { wait; exit }\n" + body, "perl", "forks its workers itself"},
		"a connection": {"#!/usr/bin/perl\n" + connect + body, "perl", "connected to " + l.Addr().String()},
		"allowed":      {"#!/usr/bin/perl\n" + connect + body, "{perl: {allow: ['" + l.Addr().String() + "']}}", ""},
		"not Perl":     {"", "perl", "not a Perl program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "app.pl")
			if c.program == "" {
				path = compiledC(t)
			} else if err := os.WriteFile(path, []byte(c.program), 0o755); err != nil {
				t.Fatal(err)
			}
			s := newConfigured(t, "pre", fmt.Sprintf("command: [%s]\nworkers: {min: 2, max: 2, prefork: %s}\nhealth: {interval: 0s}", path, c.prefork))
			s.hello(t, nil)
			if c.want == "" {
				s.template(t)
				return
			}
			st := s.until(t, 20*time.Second, settled(2))
			if st.Template == nil || st.Template.State != control.TemplateFailed || !strings.Contains(st.Template.Reason, c.want) {
				t.Errorf("the template is %+v; want the reason %q", st.Template, c.want)
			}
			if n := strings.Count(s.log(), "to=failed"); n != 1 {
				t.Errorf("the log has the reason %d times\n%s", n, s.log())
			}
			if st.Restarts[control.Crash]+st.Restarts[control.StartTimeout] > 0 {
				t.Errorf("workers have failed: %s", describe(st))
			}
		})
	}
}
