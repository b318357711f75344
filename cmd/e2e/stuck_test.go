package e2e

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// outcome is what became of a request sent beside others.
type outcome struct {
	page string
	err  error
	took time.Duration
}

// sends asks without waiting for the answer.
func (s *supervised) sends(target string) <-chan outcome {
	answer := make(chan outcome, 1)
	go func() {
		begin := time.Now()
		page, err := fcgiAsk(s.network, s.address, target, nil, nil)
		answer <- outcome{page, err, time.Since(begin)}
	}()
	return answer
}

// answeredBy is who answered, who must have answered 200.
func answeredBy(t *testing.T, o outcome) int {
	t.Helper()
	pid, err := workerPID(o.page)
	if o.err != nil || err != nil {
		t.Fatalf("answer %q, %v, %v", o.page, o.err, err)
	}
	return pid
}

// TestBusyIsNotDead is promise 3: a worker that serves for 12 s while probes with a timeout of 1 s are due every
// second is busy, and with a waiting request saturated; it is not to be killed.
func TestBusyIsNotDead(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "busy", fmt.Sprintf("command: [%s]\nhealth: {path: /, interval: 1s, timeout: 1s, failures: 2}", appPath(t, "hello.pl")))
	pid := s.hello(t, nil)
	s.until(t, 10*time.Second, func(st control.Status) error {
		if st.Probe == nil || !st.Probe.OK || st.Probe.Skipped != "" {
			return fmt.Errorf("no good probe yet: %+v", st.Probe)
		}
		return nil
	})

	long := s.sends("/sleep?ms=12000")
	s.until(t, 5*time.Second, func(st control.Status) error {
		if st.InFlight == nil || *st.InFlight != 1 || st.State != control.Up {
			return fmt.Errorf("%s, in flight %v; want up with one: no request waits", st.State, st.InFlight)
		}
		return nil
	})
	waiting := s.sends("/")
	skipped, worst := 0, 0.0
	last := time.Time{}
	for {
		st := s.one(t)
		if st.State != control.Saturated && st.State != control.Up {
			t.Fatalf("while it serves the instance is %s\n%s", describe(st), s.log())
		}
		if st.Probe.Skipped != "" && st.Probe.At.After(last) {
			skipped++
			last = st.Probe.At
		}
		if st.QueueHeadSeconds != nil {
			worst = max(worst, *st.QueueHeadSeconds)
		}
		if len(long) == 1 {
			break
		}
		if st.State != control.Saturated && st.QueueHeadSeconds != nil && *st.QueueHeadSeconds > 1 {
			t.Errorf("a request waits for %.1f s, and the instance is %s", *st.QueueHeadSeconds, st.State)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if by := answeredBy(t, <-long); by != pid {
		t.Errorf("the long request was answered by %d, not by %d", by, pid)
	}
	if by := answeredBy(t, <-waiting); by != pid {
		t.Errorf("who waited was answered by %d, not by %d", by, pid)
	}
	if skipped < 5 || worst < 8 {
		t.Errorf("%d probes were seen skipped, the head of the queue waited %.1f s at most; want several, and about 12 s", skipped, worst)
	}
	st := s.until(t, 10*time.Second, func(st control.Status) error {
		if st.State != control.Up || st.Probe.Skipped != "" || !st.Probe.OK {
			return fmt.Errorf("afterwards %s, probe %+v", st.State, st.Probe)
		}
		return nil
	})
	for cause, n := range st.Restarts {
		if n > 0 {
			t.Errorf("%d restarts by %s", n, cause)
		}
	}
	if st.ProbeFailures["timeout"] > 1 { // the one that was under way when the long request came
		t.Errorf("%d probes timed out", st.ProbeFailures["timeout"])
	}
}

// stuckKeys: an app whose requests may take 3 s.
const stuckKeys = "command: [%s]\nhealth: {interval: 1s, timeout: 1s, failures: 3}\nlimits: {request_timeout: 3s, stop_timeout: 2s}"

// replacedAsStuck waits until a worker was ended as stuck, and checks what is told of it.
func (s *supervised) replacedAsStuck(t *testing.T, pid int) {
	t.Helper()
	st := s.until(t, 20*time.Second, func(st control.Status) error {
		if st.Restarts[control.Stuck] != 1 {
			return fmt.Errorf("%d ended as stuck", st.Restarts[control.Stuck])
		}
		return nil
	})
	f := st.LastFailure
	if f == nil || f.Cause != control.Stuck || f.PID != pid || !strings.Contains(f.Detail, "request_timeout") {
		t.Fatalf("last failure %+v; want worker %d, stuck by request_timeout", f, pid)
	}
	evidence := strings.Join(f.Evidence, "\n")
	for _, want := range []string{fmt.Sprintf("process %d (", pid), "state S", "wchan", "syscall", "socket:["} {
		if !strings.Contains(evidence, want) {
			t.Errorf("no %q in the evidence:\n%s", want, evidence)
		}
	}
	if !strings.Contains(s.log(), "worker is stuck") {
		t.Errorf("nothing of it in the log:\n%s", s.log())
	}
	if !dead(pid) {
		t.Errorf("worker %d lives", pid)
	}
}

// TestStuckIsReplaced: the same worker with request_timeout is replaced, and the next request is served, whether
// the program obeys SIGTERM or not.
func TestStuckIsReplaced(t *testing.T) {
	inTurn(t, long)
	needFiles(t, "/usr/bin/perl")
	for name, command := range map[string]string{
		"by TERM": appPath(t, "hello.pl"),
		"by KILL": appPath(t, "liar.pl") + ", ignores-term",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newConfigured(t, "stuck", fmt.Sprintf(stuckKeys, command))
			pid := s.hello(t, nil)
			begin := time.Now()
			long := s.sends("/sleep?ms=29000")
			s.until(t, 5*time.Second, func(st control.Status) error {
				if st.InFlight == nil || *st.InFlight != 1 {
					return fmt.Errorf("in flight %v", st.InFlight)
				}
				return nil
			})
			next := <-s.sends("/")
			if by := answeredBy(t, next); by == pid {
				t.Errorf("answered by the stuck worker %d", by)
			}
			if took := time.Since(begin); took < 3*time.Second || took > 30*time.Second {
				t.Errorf("the next request was served after %v; want some time after request_timeout", took)
			}
			s.replacedAsStuck(t, pid)
			t.Logf("the next request was answered %v after the stuck one had begun", time.Since(begin).Round(time.Millisecond))
			<-long
		})
	}
}

// hold sends the records of a request and leaves the connection open.
func (s *supervised) hold(t *testing.T, records []byte) net.Conn {
	t.Helper()
	conn, err := dialFCGI(s, records)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// dialFCGI connects and sends the records; the exchange has a minute.
func dialFCGI(s *supervised, records []byte) (net.Conn, error) {
	conn, err := net.Dial(s.network, s.address)
	if err != nil {
		return nil, err
	}
	err = conn.SetDeadline(time.Now().Add(waitLimit))
	if err == nil {
		_, err = conn.Write(records)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// TestKeptConnectionIsNoRequest: a connection that its client keeps after the answer is older than request_timeout
// soon, and costs nothing until another client waits for its worker.
func TestKeptConnectionIsNoRequest(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "kept", fmt.Sprintf(stuckKeys, appPath(t, "hello.pl")))
	request := fcgiRequest("/", nil, nil)
	request[10] |= 1 // FCGI_KEEP_CONN
	conn := s.hold(t, request)
	page, err := fcgiAnswer(conn)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := workerPID(page)
	if err != nil {
		t.Fatal(err)
	}
	s.until(t, 5*time.Second, isUp)
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if st := s.one(t); !slices.Equal(pids(st), []int{pid}) {
			t.Fatalf("worker %d was taken for stuck: %s\n%s", pid, describe(st), s.log())
		}
	}
	if by := answeredBy(t, <-s.sends("/")); by == pid {
		t.Errorf("worker %d answers although it is held", by)
	}
	s.replacedAsStuck(t, pid)
}

// TestStoppedWorkerIsStuck: a worker that SIGSTOP met before it accepted has nothing in flight, and a queue that
// stands; one that it met with a request holds that and serves no client. Both are replaced, and who waits is served.
func TestStoppedWorkerIsStuck(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	for name, busy := range map[string]bool{"idle": false, "with a request": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newConfigured(t, "stopped", fmt.Sprintf(
				"command: [%s]\nhealth: {interval: 500ms, timeout: 500ms, failures: 2}\nlimits: {stop_timeout: 1s}", appPath(t, "hello.pl")))
			pid := s.hello(t, nil)
			s.until(t, 10*time.Second, isUp) // before that it would be one that does not start
			if busy {
				s.sends("/sleep?ms=29000")
				s.until(t, 10*time.Second, func(st control.Status) error {
					if st.OldestRequestSeconds == nil || *st.OldestRequestSeconds < 1 { // younger ones may be probes
						return errors.New(describe(st))
					}
					return nil
				})
			}
			suspend(t, pid)
			next := <-s.sends("/")
			if next.err != nil {
				t.Logf("%s\n%s", describe(s.one(t)), s.log())
			}
			if by := answeredBy(t, next); by == pid {
				t.Logf("worker %d went on", by) // SIGCONT after a TERM that came too late to end it
			}
			s.replacedAsStopped(t, pid)
			t.Logf("answered after %v; %s", next.took.Round(time.Millisecond), describe(s.one(t)))
		})
	}
}

// suspend stops a process, and returns when it can accept no more.
func suspend(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		stopped, err := scoreboard.Stopped(pid)
		if err != nil {
			t.Fatal(err)
		}
		if stopped {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("worker %d does not stop", pid)
		}
	}
}

// replacedAsStopped checks what is told of a worker that did not go on after SIGSTOP.
func (s *supervised) replacedAsStopped(t *testing.T, pid int) {
	t.Helper()
	st := s.one(t)
	if n := st.Restarts[control.Stuck] + st.Restarts[control.Probe]; n == 0 {
		t.Fatalf("the stopped worker was not replaced: %s", describe(st))
	}
	if evidence := strings.Join(st.LastFailure.Evidence, "\n"); !strings.Contains(evidence, fmt.Sprintf("process %d (", pid)) || !strings.Contains(evidence, "state T") {
		t.Errorf("the evidence does not say that it was stopped:\n%s", evidence)
	}
}
