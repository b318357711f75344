package supervisor

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// load keeps clients busy until finish is called, counts what was answered, and
// fails the test for each request that was refused or cut.
func (b *bed) load(clients int) (served *atomic.Int64, finish func()) {
	var running sync.WaitGroup
	done := make(chan struct{})
	served = new(atomic.Int64)
	for c := range clients {
		running.Go(func() {
			lines := []string{"hello", "sleep 7ms", "sleep 1ms", "env"}
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if _, err := request(b.address(), lines[(n+c)%len(lines)]); err != nil {
					b.t.Errorf("client %d, request %d: %v", c, n, err)
					return
				}
				served.Add(1)
				time.Sleep(10 * time.Millisecond) // the gate needs moments without a request
			}
		})
	}
	return served, sync.OnceFunc(func() {
		close(done)
		running.Wait()
	})
}

// Promise 4. The workers die of the stop signal whatever they are doing; it is
// the gate alone that keeps their requests.
func TestNoRequestIsLostByRollingRestarts(t *testing.T) {
	two := func(a *fcgisup.App) { a.Workers = fcgisup.Workers{Min: 2, Max: 2} }
	tests := []struct {
		role     string
		restarts int
		changes  []func(*fcgisup.App)
	}{
		{"serve", 20, nil},
		{"serve-go", 10, nil},
		{"fork-grandchild", 10, nil},
		{"forks-sessions", 5, nil},
		{"poll-only", 5, []func(*fcgisup.App){onTCP(t), two}},
	}
	for _, test := range tests {
		t.Run(test.role, func(t *testing.T) {
			restarts := test.restarts
			b := run(t, test.role, append(test.changes, atOnce)...)
			b.worker(control.Ready)
			if test.role == "serve-go" { // the end of the first shows how the program takes the signal, see fatalSignals
				if err := b.sup.Restart(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				restarts--
			}
			served, finish := b.load(4)
			defer finish()
			for n := range restarts {
				enough := served.Load() + 10
				eventually(t, "requests are served", func() bool { return served.Load() > enough || t.Failed() })
				if err := b.sup.Restart(t.Context(), 0); err != nil {
					t.Fatalf("restart %d: %v", n, err)
				}
			}
			want := uint64(test.restarts * b.app.Workers.Max)
			eventually(t, "all restarts are counted", func() bool { return b.status().Exits[control.Operator] == want })
			if n := b.status().Cut; n != 0 {
				t.Errorf("%d cut", n)
			}
			finish()
			b.stop()
			gone(t, b.started()...)
		})
	}
}

func TestBusyWorkerKeepsItsRequestThroughRestartAndStop(t *testing.T) {
	b := run(t, "serve", atOnce)
	old := b.worker(control.Ready).PID
	long := b.later("sleep 700ms")
	eventually(t, "the worker has it", func() bool { return b.holds(old) == 1 })
	restarted := make(chan error, 1)
	go func() { restarted <- b.sup.Restart(t.Context(), 0) }()
	b.worker(control.Draining)
	if fresh := b.ask("hello").pid; fresh == old {
		t.Error("the draining worker took another request")
	}
	select {
	case err := <-restarted:
		t.Errorf("the restart ended before the request: %v", err)
	default:
	}
	if r := long(); r.pid != old {
		t.Errorf("answered by %d", r.pid)
	}
	if err := <-restarted; err != nil {
		t.Error(err)
	}

	b.stop()
}

// A half-read upload is the request that an ungated signal damages most:
// libfcgi answers 200 to the half that it has.
func TestHalfAnUploadIsWaitedForByStop(t *testing.T) {
	b := run(t, "serve", atOnce)
	pid := b.worker(control.Ready).PID
	conn, err := net.Dial("unix", b.address().Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "upload 6\nabc"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker has it", func() bool { return b.holds(pid) == 1 })
	go func() {
		for alive := time.Now().Add(waitLimit); time.Now().Before(alive) && b.status().State != control.InstanceStopping; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		_, _ = io.WriteString(conn, "def")
	}()
	b.stop()
	if r, err := receive(conn); err != nil || r.text != "6" || r.pid != pid {
		t.Errorf("answer %+v, %v", r, err)
	}
	if st := b.sup.instances[0].status.Load(); st.Cut != 0 {
		t.Errorf("%d counted as cut", st.Cut)
	}
}

// No process answers what waits in the queue of our own socket once it is closed.
func TestWhatWaitsIsServedBeforeStop(t *testing.T) {
	b := run(t, "serve", atOnce)
	pid := b.worker(control.Ready).PID
	first := b.later("sleep 300ms")
	eventually(t, "the worker has it", func() bool { return b.holds(pid) == 1 })
	second, third := b.later("hello"), b.later("hello")
	b.stop()
	first()
	second()
	third()
}

// holds counts the connections that a worker's group has open.
func (b *bed) holds(pid int) (held int) {
	i := b.sup.instances[0]
	_ = i.do(b.t.Context(), func(time.Time) {
		for _, s := range i.slots {
			if s.pid() == pid {
				held = s.proc.Observe().Held
			}
		}
	})
	return held
}

// A worker that ignores the signal goes on accepting until it is killed.
func TestKillThatCutsIsCounted(t *testing.T) {
	b := run(t, "ignore-term", atOnce, stopTimeout(4*time.Second))
	old := b.worker(control.Ready).PID
	restarted := make(chan error, 1)
	go func() { restarted <- b.sup.Restart(t.Context(), 0) }()
	b.worker(control.Stopping)
	fresh := b.worker(control.Ready).PID
	for b.holds(old) == 0 { // one goes to each; the kernel decides about the order
		b.later("sleep 1m")
		eventually(t, "a worker has it", func() bool { return b.holds(old)+b.holds(fresh) > 0 })
	}
	if err := <-restarted; err != nil {
		t.Error(err)
	}
	eventually(t, "the cut is counted", func() bool { return b.status().Cut == 1 })
	gone(t, old)
	b.sup.Kill()
}

func TestWhatALeaderLeavesFinishesItsRequests(t *testing.T) {
	b := run(t, "leader-leaves-late", atOnce)
	leader := b.worker(control.Ready).PID
	server := b.ask("hello").pid
	long := b.later("sleep 1s")
	eventually(t, "the leader has left", func() bool { return !alive(leader) })
	if r := long(); r.pid != server {
		t.Errorf("answered by %d, not by %d", r.pid, server)
	}
	eventually(t, "the rest is replaced", func() bool { return b.status().Exits[control.Finished] >= 1 })
	if st := b.status(); st.Cut != 0 {
		t.Errorf("%d counted as cut", st.Cut)
	}
	gone(t, server)
}

func TestIgnoredSignalsEndInKill(t *testing.T) {
	for _, role := range []string{"ignore-term", "fork-stubborn", "forks-stubborn-sessions"} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/busy=%t", role, busy), func(t *testing.T) {
				t.Parallel()
				const timeout = 400 * time.Millisecond
				b := run(t, role, stopTimeout(timeout))
				server := b.ask("hello").pid
				leader := b.worker(control.Ready).PID
				if busy {
					b.later("sleep 1m")
					eventually(t, "the worker has it", func() bool { return b.holds(leader) == 1 })
				}
				begin := time.Now()
				b.stop()
				if d := time.Since(begin); d < timeout || d > waitLimit/2 {
					t.Errorf("stopped after %s", d)
				}
				st := b.sup.instances[0].status.Load()
				if want := map[bool]uint64{true: 1}[busy]; st.Cut != want {
					t.Errorf("%d counted as cut, want %d", st.Cut, want)
				}
				if st.Exits[control.Operator] != 1 {
					t.Errorf("restarts %v", st.Restarts)
				}
				gone(t, leader, server)
			})
		}
	}
}

// A worker whose processes have left its group, and have lost the one that was its first, is ended at the gate: their
// requests are answered, and another takes its place.
func TestWhatALeaderLeavesOutsideOfItsGroupIsEndedWithCare(t *testing.T) {
	b := run(t, "forks-sessions", atOnce)
	leader := b.worker(control.Ready).PID
	members := func() []int {
		var all []int
		i := b.sup.instances[0]
		_ = i.do(t.Context(), func(time.Time) {
			for _, s := range i.slots {
				s.proc.Observe()
			}
			all, _ = i.host.(*realHost).groups.Members(leader)
		})
		return all
	}
	eventually(t, "all are members", func() bool { return len(members()) == 4 })
	long := b.later("sleep 500ms")
	eventually(t, "one has the request", func() bool { return b.holds(leader) == 1 })
	left := members()
	kill9(t, leader)
	if r := long(); r.pid == leader {
		t.Error("answered by the leader")
	}
	gone(t, left...)
	eventually(t, "the crash is counted", func() bool { return b.status().Exits[control.Crash] == 1 })
	b.worker(control.Ready)
	b.ask("hello")
	b.stop()
	gone(t, b.pids...)
}
