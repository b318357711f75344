package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// lieKeys: everything that a lie could make the supervisor wait for is short, but an honest start has time.
const lieKeys = `command: [LIAR, %s]
environment: {STRAY_OF: DIR}
limits: {start_timeout: %s, stop_timeout: 1s, queue_timeout: 500ms%s}
restart: {delay: 50ms, max_delay: 200ms}
health: {interval: 300ms, timeout: 300ms, failures: 2%s}`

func newLiar(t *testing.T, lie, limits string) *supervised {
	t.Helper()
	needFiles(t, "/usr/bin/perl")
	return newConfigured(t, "liar", lieText(t, lie, limits))
}

func lieText(t *testing.T, lie, limits string) string {
	t.Helper()
	start := "20s"
	if lie == "closes-stdin" || lie == "never-accepts" { // it never ends
		start = "1s"
	}
	probe := ""
	if lie == "never-reads" { // what has never answered a ping gets none
		probe = ", path: /"
	}
	return strings.ReplaceAll(fmt.Sprintf(lieKeys, lie, start, limits, probe), "LIAR", appPath(t, "liar.pl"))
}

// honest fixes the program: whatever it did, an answer comes soon.
func (s *supervised) honest(t *testing.T, limits string) {
	t.Helper()
	s.configure(t, "liar", lieText(t, "none", limits))
	// The replacement may meet a lie that is being told when it starts, and the reload is then refused.
	within(t, 20*time.Second, func() error {
		out, err := s.fcgisup("reload", "liar")
		if err != nil {
			err = fmt.Errorf("reload: %w\n%s\n%s", err, out, s.log())
		}
		return err
	})
	// A liar that accepts what it does not serve takes requests with it until it is gone.
	within(t, 10*time.Second, func() error {
		_, err := fcgiAsk(s.network, s.address, "/", nil, nil)
		return err
	})
	st := s.until(t, 10*time.Second, isUp)
	s.stop(t, st.Workers[0].PID)
}

// becomes503 asks until the answer is 503, which needs a moment at which no process lives.
func (s *supervised) becomes503(t *testing.T) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		page, err := fcgiAsk(s.network, s.address, "/", nil, nil)
		if err == nil && !(strings.Contains(page, "Status: 503") && strings.Contains(page, "Retry-After: ")) {
			err = fmt.Errorf("answer %q", page)
		}
		return err
	})
}

// TestLies: a program may do anything; the instance says what it is, goes on as soon as the program is fixed, and
// stops when told.
func TestLies(t *testing.T) {
	inTurn(t, busy)
	for name, test := range map[string]func(t *testing.T){
		"forks": lieForks, "closes-stdin": lieNeverReady, "never-accepts": lieNeverReady, "deaf": lieDeaf,
		"nonblocking": lieNonblocking, "sets the flag in a request": lieFlag, "never-reads": lieNeverReads,
		"never-reads, no request_timeout": lieNeverReadsUnlimited, "deserts": lieDeserts, "daemon": lieDaemon,
		"ignores-term": lieIgnoresTerm,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// lieForks: the parent never accepts; the group is the worker.
func lieForks(t *testing.T) {
	s := newLiar(t, "forks", "")
	child := s.hello(t, nil)
	st := s.until(t, 10*time.Second, isUp)
	parent := st.Workers[0].PID
	if child == parent {
		t.Fatalf("the parent %d serves", parent)
	}
	requests := startLoad(1, s.asks("/", nil))
	if out, err := s.fcgisup("restart", "liar"); err != nil {
		t.Errorf("restart: %v\n%s", err, out)
	}
	if !dead(parent) || !dead(child) {
		t.Errorf("parent %d or child %d lives on", parent, child)
	}
	parent = s.until(t, 10*time.Second, settled(1)).Workers[0].PID
	child = s.hello(t, nil)
	requests.end(t, "requests over a restart of a group")

	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil { // its children serve on without a parent
		t.Fatal(err)
	}
	s.until(t, 10*time.Second, func(st control.Status) error {
		if st.Restarts[control.Crash] != 1 || len(pids(st)) != 1 || !dead(child) {
			return fmt.Errorf("%s; child %d dead: %t", describe(st), child, dead(child))
		}
		return nil
	})
	s.stop(t, s.hello(t, nil))
}

func lieNeverReady(t *testing.T) {
	_, lie := filepath.Split(t.Name())
	s := newLiar(t, lie, "")
	s.becomes503(t)
	st := s.until(t, 10*time.Second, func(st control.Status) error {
		if st.State != control.InstanceFailing || st.Restarts[control.StartTimeout] < 3 {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if st.LastFailure.Cause != control.StartTimeout || !strings.Contains(st.LastFailure.Detail, "not ready within 1s") {
		t.Errorf("last failure %+v", st.LastFailure)
	}
	s.honest(t, "")
}

// lieDeaf has been ready, and closes its listener: connections wait for a worker that seems free.
func lieDeaf(t *testing.T) {
	s := newLiar(t, "none", "")
	pid := s.hello(t, nil)
	s.until(t, 10*time.Second, isUp)
	if _, err := fcgiAsk(s.network, s.address, "/deaf", nil, nil); err != nil {
		t.Fatal(err)
	}
	next := <-s.sends("/")
	if by := answeredBy(t, next); by == pid {
		t.Errorf("answered by the deaf worker %d", by)
	}
	st := s.one(t)
	if n := st.Restarts[control.Stuck] + st.Restarts[control.Probe]; n != 1 || next.took > 20*time.Second {
		t.Errorf("answered after %v; %s", next.took, describe(st))
	}
	s.stop(t, st.Workers[0].PID)
}

// lieNonblocking leaves a flag on the listener behind that makes libfcgi exit 0 at once.
func lieNonblocking(t *testing.T) {
	s := newLiar(t, "nonblocking", "")
	first := s.hello(t, nil)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if second := s.hello(t, nil); second == first {
		t.Errorf("%d answers after it was killed", second)
	}
	s.honest(t, "")
}

// lieFlag sets the flag for its sibling, too, which then ends after one more request. Some end before anybody has seen
// them serve, which looks like failures in a row: a request may wait for that, so it is answered 503 late.
func lieFlag(t *testing.T) {
	s := newLiar(t, "none", "")
	patient := strings.Replace(lieText(t, "none", ""), "queue_timeout: 500ms", "queue_timeout: 20s", 1)
	s.configure(t, "liar", patient+"\nworkers: 2")
	s.reload(t, "liar")
	s.hello(t, nil)
	s.until(t, 10*time.Second, settled(2))
	for n := range 20 {
		if _, err := fcgiAsk(s.network, s.address, "/nonblock", nil, nil); err != nil {
			t.Fatalf("round %d: %v\n%s", n, err, s.log())
		}
		for range 5 {
			s.hello(t, nil)
		}
	}
	st := s.until(t, 10*time.Second, settled(2))
	if st.Exits[control.Finished] == 0 {
		t.Errorf("no worker ended: the lie has lost its effect: %s", describe(st))
	}
	t.Logf("%s", describe(st))
	s.stop(t, st.Workers[0].PID)
}

// lieNeverReads holds the first connection for good.
func lieNeverReads(t *testing.T) {
	s := newLiar(t, "never-reads", ", request_timeout: 1s")
	conn := s.hold(t, fcgiRequest("/", nil, nil))
	if page, err := fcgiAnswer(conn); err == nil {
		t.Errorf("answer %q", page)
	}
	st := s.until(t, 10*time.Second, func(st control.Status) error {
		if st.Restarts[control.Stuck] == 0 {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if !strings.Contains(st.LastFailure.Detail, "request_timeout") || len(st.LastFailure.Evidence) == 0 {
		t.Errorf("last failure %+v", st.LastFailure)
	}
	s.honest(t, ", request_timeout: 1s")
}

// lieNeverReadsUnlimited: without request_timeout its client may wait for as long as it likes. When it has gone, no client
// is served by that worker, and the probe says so.
func lieNeverReadsUnlimited(t *testing.T) {
	s := newLiar(t, "never-reads", "")
	conn := s.hold(t, fcgiRequest("/", nil, nil))
	st := s.until(t, 10*time.Second, isUp)
	pid := st.Workers[0].PID
	skipped := map[time.Time]bool{}
	s.until(t, 20*time.Second, func(st control.Status) error {
		if len(st.Workers) != 1 || st.Workers[0].PID != pid {
			t.Fatalf("while its client waits: %s", describe(st))
		}
		if st.Probe != nil && st.Probe.Skipped != "" {
			skipped[st.Probe.At] = true
		}
		if len(skipped) < 6 {
			return fmt.Errorf("%d probes were skipped", len(skipped))
		}
		return nil
	})
	conn.Close()
	s.until(t, 10*time.Second, func(st control.Status) error {
		if st.Restarts[control.Probe] == 0 {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if !dead(pid) {
		t.Errorf("worker %d lives", pid)
	}
	s.honest(t, "")
}

// lieDeserts leaves a child that serves, in the group: it is found and ended, again and again. Whether an attempt was
// seen serving before that is a matter of milliseconds, so what counts is that attempts stay apart and nothing is left.
func lieDeserts(t *testing.T) {
	s := newLiar(t, "deserts", "")
	// An answer of the child and a 503 are both right.
	_, _ = fcgiAsk(s.network, s.address, "/", nil, nil)
	begin := time.Now()
	st := s.until(t, 20*time.Second, func(st control.Status) error {
		if n := st.Restarts[control.Crash] + st.Exits[control.Finished]; n < 4 || st.LastFailure == nil && st.Exits[control.Finished] == 0 {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("four attempts within %s: %s", took, describe(st))
	}
	s.honest(t, "")
}

// lieDaemon turns itself into a daemon, out of its group, and serves. Each attempt would leave one more behind that
// is not supervised; what is promised is that none is left, and that the supervisor says why.
func lieDaemon(t *testing.T) {
	s := newLiar(t, "daemon", "")
	t.Cleanup(func() { // whatever comes out
		for _, pid := range strays(t, s) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if _, err := fcgiAsk(s.network, s.address, "/", nil, nil); err == nil {
		t.Log("the first request was served by a daemon before it was killed")
	}
	st := s.until(t, 10*time.Second, func(st control.Status) error {
		if st.State != control.InstanceFailing || !strings.HasPrefix(st.LastFailure.Detail, "exit status 0: it went into the background") {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if len(strays(t, s)) > 1 { // one may have been born this moment
		t.Errorf("daemons %v are left\n%s", strays(t, s), describe(st))
	}
	if !strings.Contains(s.log(), "must not become a daemon") {
		t.Errorf("the log does not say why:\n%s", s.log())
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(waitLimit):
		t.Errorf("still there %v after SIGTERM\n%s", waitLimit, s.log())
	}
	within(t, 10*time.Second, func() error {
		if left := strays(t, s); len(left) > 0 {
			return fmt.Errorf("daemons %v outlive the supervisor", left)
		}
		return nil
	})
}

// strays are the daemons that the test's liar has left, known by their directory.
func strays(t *testing.T, s *supervised) []int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), "STRAY_OF="+s.dir+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func lieIgnoresTerm(t *testing.T) {
	s := newLiar(t, "ignores-term", "")
	pid := s.hello(t, nil)
	s.until(t, 10*time.Second, isUp)
	begin := time.Now()
	if out, err := s.fcgisup("restart", "liar"); err != nil {
		t.Errorf("restart: %v\n%s", err, out)
	}
	if took := time.Since(begin); !dead(pid) || took < time.Second || took > 25*time.Second {
		t.Errorf("%v after the restart worker %d is dead: %t; want it to be killed after stop_timeout", took, pid, dead(pid))
	}
	st := s.until(t, 10*time.Second, settled(1))
	if st.Cut != 0 {
		t.Errorf("an idle worker counts as cut: %s", describe(st))
	}
	s.stop(t, st.Workers[0].PID)
}
