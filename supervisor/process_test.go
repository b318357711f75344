package supervisor

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// atOnce wakes an instance without a request.
func atOnce(a *fcgisup.App) { a.Activation = fcgisup.Eager }

func startTimeout(d time.Duration) func(*fcgisup.App) {
	return func(a *fcgisup.App) { a.Limits.StartTimeout = d }
}

func stopTimeout(d time.Duration) func(*fcgisup.App) {
	return func(a *fcgisup.App) { a.Limits.StopTimeout = d }
}

func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestFirstConnectionStartsOneProcessAndACrashTheNext(t *testing.T) {
	for name, change := range map[string]func(*fcgisup.App){"unix": func(*fcgisup.App) {}, "tcp": onTCP(t)} {
		t.Run(name, func(t *testing.T) {
			b := run(t, "serve", change)
			time.Sleep(50 * time.Millisecond)
			if st := b.status(); st.State != control.Sleeping || len(st.Workers) > 0 || b.spawns() > 0 {
				t.Fatalf("before the first connection: %s, %d workers, %d spawns", st.State, len(st.Workers), b.spawns())
			}
			first := b.ask("hello").pid
			if second := b.ask("hello").pid; second != first || b.spawns() != 1 {
				t.Errorf("answered by %d and %d after %d spawns", first, second, b.spawns())
			}
			b.worker(control.Ready)
			kill9(t, first)
			gone(t, first) // until then it may still take a connection with it
			if next := b.ask("hello").pid; next == first {
				t.Error("answered by a dead process")
			}
			eventually(t, "the crash is counted", func() bool { return b.status().Restarts[control.Crash] == 1 })
			f := b.status().LastFailure
			if f == nil || f.PID != first || f.Cause != control.Crash || f.Detail != "signal killed" {
				t.Errorf("last failure %+v", f)
			}
			if b.spawns() != 2 || b.probes.Load() != 0 {
				t.Errorf("%d spawns, %d probes", b.spawns(), b.probes.Load())
			}
			b.stop()
			gone(t, b.pids...)
		})
	}
}

func TestLastLinesAreKeptWithTheFailure(t *testing.T) {
	b := run(t, "crash-after-n", func(a *fcgisup.App) { a.Environment[numberVariable] = "1" })
	pid := b.ask("hello").pid
	var f *control.Failure
	eventually(t, "the crash is noted", func() bool {
		f = b.status().LastFailure
		return f != nil
	})
	want := []string{"cannot find the database", "giving up"}
	if f.PID != pid || f.Detail != "exit status 1" || !slices.Equal(f.Output, want) {
		t.Errorf("last failure %+v", f)
	}
	eventually(t, "the lines are passed on", func() bool {
		return slices.ContainsFunc(b.lines(), func(l string) bool { return strings.HasSuffix(l, ": giving up") })
	})
	if next := b.ask("hello").pid; next == pid {
		t.Error("answered by a dead process")
	}
}

func TestNormalEndIsReplacedAndNoFailure(t *testing.T) {
	b := run(t, "finish-after-n", func(a *fcgisup.App) { a.Environment[numberVariable] = "1" })
	for range 5 {
		b.ask("sleep 150ms") // long enough to be seen
	}
	eventually(t, "five ends are counted", func() bool { return b.status().Exits[control.Finished] >= 5 })
	if st := b.status(); st.LastFailure != nil || st.Restarts[control.Crash] != 0 {
		t.Errorf("exit 0 after readiness: %v, last failure %+v", st.Restarts, st.LastFailure)
	}
	slices.Sort(b.pids)
	if len(slices.Compact(b.pids)) != 5 {
		t.Errorf("five requests by %v", b.pids)
	}
}

func TestReadinessIsSeenInTheKernel(t *testing.T) {
	for _, role := range []string{"serve", "poll-only", "serve-go", "fork-grandchild", "forks-sessions", "slow-start"} {
		for name, change := range map[string]func(*fcgisup.App){"unix": func(*fcgisup.App) {}, "tcp": onTCP(t)} {
			t.Run(role+"/"+name, func(t *testing.T) {
				b := run(t, role, change, atOnce)
				b.worker(control.Ready)
				if b.spawns() != 1 || b.probes.Load() != 0 {
					t.Errorf("%d spawns, %d probes; looking is enough", b.spawns(), b.probes.Load())
				}
				b.ask("hello")
				b.stop()
				gone(t, b.pids...)
			})
		}
	}
}

// What a worker does to the open description outlives it, and would end every
// libfcgi program that comes after it.
func TestNonblockingListenerIsMadeBlockingBeforeTheNextSpawn(t *testing.T) {
	b := run(t, "sets-nonblock-and-exits")
	first := b.ask("hello").pid
	b.worker(control.Ready)
	if r := b.ask("flags"); r.pid == first || r.text != "false" {
		t.Errorf("the next worker (%d after %d) finds O_NONBLOCK %s", r.pid, first, r.text)
	}
	if n := b.spawns(); n != 2 {
		t.Errorf("%d spawns", n)
	}
}

// failing is what a program that cannot become ready leads to.
func TestProgramsThatCannotServeFailWithoutSpinning(t *testing.T) {
	tests := []struct {
		role, detail string
		cause        control.Cause
	}{
		{"exit-1", "exit status 1", control.Crash},
		{"exit-0", "exit status 0", control.Crash},
		{"leader-leaves", "exit status 0", control.Crash},
		{"never-accept", "not ready within 300ms, then signal terminated", control.StartTimeout},
		{"closes-fd-0", "not ready within 300ms, then signal terminated", control.StartTimeout},
	}
	for _, test := range tests {
		t.Run(test.role, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			limit := 20 * time.Second // far above what an attempt takes here
			if test.cause == control.StartTimeout {
				limit = 300 * time.Millisecond
			}
			b := run(t, test.role, atOnce, startTimeout(limit), func(a *fcgisup.App) {
				a.Restart = fcgisup.Restart{Delay: 100 * time.Millisecond, MaxDelay: time.Minute, Factor: 4}
			})
			st := b.is(control.InstanceFailing)
			if f := st.LastFailure; f.Cause != test.cause || !strings.HasPrefix(f.Detail, test.detail) {
				t.Errorf("last failure %+v", f)
			}
			if n := b.spawns(); n != worker.FailingAfter {
				t.Errorf("%d spawns until failing", n)
			}
			if w := st.Workers[0]; w.State != control.Failing || w.Attempt != worker.FailingAfter || w.Next == nil || w.PID != 0 {
				t.Errorf("worker %+v", w)
			}
			// 100 ms and 400 ms, less a tenth of jitter, lie between the three.
			if d := time.Since(begin); d < 450*time.Millisecond {
				t.Errorf("three attempts within %s", d)
			}
			b.stop()
			for _, pid := range b.started() {
				if groupLives(pid) {
					t.Errorf("process group %d is left", pid)
				}
			}
		})
	}
}

// A program that leaves its process group cannot be supervised; it is a failing
// one. What it left cannot be found by us: under systemd the control group ends it.
func TestProgramThatLeavesItsGroupFailsWithoutSpinning(t *testing.T) {
	b := run(t, "double-fork-away", atOnce, func(a *fcgisup.App) {
		a.Restart = fcgisup.Restart{Delay: 100 * time.Millisecond, MaxDelay: time.Minute, Factor: 10}
	})
	st := b.is(control.InstanceFailing)
	if !strings.HasPrefix(st.LastFailure.Detail, "exit status 0: ") || b.spawns() != worker.FailingAfter {
		t.Errorf("%d spawns, last failure %+v", b.spawns(), st.LastFailure)
	}
	// They serve nevertheless; each says which process it is, so that it can be ended.
	for range worker.FailingAfter {
		pid := b.ask("hello").pid
		kill9(t, pid)
		gone(t, pid)
	}
}

// Once it has been ready a worker's end is a normal one, so what leaves late is
// replaced for ever, but never faster than restart.delay.
func TestLeaderThatLeavesLateDoesNotSpin(t *testing.T) {
	b := run(t, "leader-leaves-late", atOnce, func(a *fcgisup.App) { a.Restart.Delay = 400 * time.Millisecond })
	begin := time.Now()
	eventually(t, "it is replaced twice", func() bool { return b.status().Exits[control.Finished] >= 2 })
	if d := time.Since(begin); d < 750*time.Millisecond || b.spawns() > 3 {
		t.Errorf("%d spawns within %s", b.spawns(), d)
	}
	b.stop()
	for _, pid := range b.started() {
		if groupLives(pid) {
			t.Errorf("process group %d is left", pid)
		}
	}
}

func TestWorkerThatNeverReadsIsUpUntilItIsStoppedByForce(t *testing.T) {
	b := run(t, "accept-and-hang", stopTimeout(300*time.Millisecond))
	b.later("hello")
	pid := b.worker(control.Ready).PID
	time.Sleep(300 * time.Millisecond)
	if st := b.status(); st.State != control.Up || b.spawns() != 1 {
		t.Errorf("%s after %d spawns", st.State, b.spawns())
	}
	b.stop()
	if st := b.sup.instances[0].status.Load(); st.Cut != 1 {
		t.Errorf("%d counted as cut", st.Cut)
	}
	gone(t, pid)
}

// started are the pids of all workers that the journal names.
func (b *bed) started() []int {
	var pids []int
	for line := range strings.Lines(b.journal.String()) {
		if pid := attribute(line, "pid"); pid > 0 && strings.Contains(line, "msg=worker") && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestOneRequestPerProcessUnderLoad: workers that end with each request, while others wait and more come, are replaced
// like any that has served; the queue is not shorter when one ends than when it began.
func TestOneRequestPerProcessUnderLoad(t *testing.T) {
	for name, network := range map[string]func(*fcgisup.App){"unix": func(*fcgisup.App) {}, "tcp": onTCP(t)} {
		t.Run(name, func(t *testing.T) {
			b := run(t, "finish-after-n", network, func(a *fcgisup.App) {
				a.Environment[numberVariable] = "1"
				a.Workers = fcgisup.Workers{Min: 2, Max: 2}
				a.Restart.Delay = 20 * time.Millisecond
			})
			served, finish := b.load(6)
			eventually(t, "forty are served", func() bool { return served.Load() >= 40 })
			finish()
			st := b.status()
			if st.Exits[control.Finished] < 20 || st.Restarts[control.Crash] > st.Exits[control.Finished]/10 || st.Rejected > 0 {
				t.Errorf("restarts %v, %d refused: want them to count as finished", st.Restarts, st.Rejected)
			}
		})
	}
}
