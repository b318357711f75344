package supervisor

import (
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// jealous is a host that tells when something is accepted while a worker lives.
type jealous struct {
	host
	b     *bed
	wrong atomic.Int64
}

func (j *jealous) accept() net.Conn {
	for _, pid := range j.b.started() {
		if groupLives(pid) {
			j.wrong.Add(1)
		}
	}
	return j.host.accept()
}

func TestFailingProgramIsAnsweredForAndMendedServesByItself(t *testing.T) {
	for name, change := range map[string]func(*fcgisup.App){"unix": func(*fcgisup.App) {}, "tcp": onTCP(t)} {
		t.Run(name, func(t *testing.T) {
			const queue = 300 * time.Millisecond
			b := prepare(t, "fails-until-marked", change, func(a *fcgisup.App) { a.Limits.QueueTimeout = queue })
			j := &jealous{host: b.sup.instances[0].host, b: b}
			b.sup.instances[0].host = j
			b.start()
			for range 3 {
				begin := time.Now()
				conn, err := net.Dial(b.address().Network, b.address().Addr)
				if err != nil {
					t.Fatal(err)
				}
				r, err := receive(conn)
				_ = conn.Close()
				if err != nil || r.pid != 503 || r.text != "1" {
					t.Errorf("answer %+v, %v", r, err)
				}
				if d := time.Since(begin); d < queue*9/10 {
					t.Errorf("answered 503 after %s", d)
				}
			}
			b.is(control.InstanceFailing)
			eventually(t, "all three are counted", func() bool { return b.status().Rejected == 3 })
			waiting := b.later("hello") // within queue_timeout the working program comes
			if err := os.WriteFile(b.app.Environment[markVariable], nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if r := waiting(); r.pid == 503 {
				t.Log("the working program came later than queue_timeout")
			}
			b.is(control.Up)
			if r := b.ask("hello"); r.pid < 2 || r.pid == 503 {
				t.Errorf("answer %+v", r)
			}
			if j.wrong.Load() > 0 {
				t.Errorf("accepted %d times while a worker lived", j.wrong.Load())
			}
		})
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestRunLeavesNoGoroutineAndNoDescriptor(t *testing.T) {
	whole := func() {
		b := run(t, "serve", func(a *fcgisup.App) {
			a.Instances = 3
			a.Activation = fcgisup.Fleet
		})
		b.ask("hello")
		if err := b.sup.Restart(t.Context(), 0); err != nil {
			t.Error(err)
		}
		b.ask("hello")
		b.stop()
	}
	whole() // what is opened once and for all
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	for range 3 {
		whole()
	}
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the descriptors are closed", func() bool { return openDescriptors(t) <= descriptors })
}

func TestFleetWakesTogetherAndLazyInstancesAlone(t *testing.T) {
	for activation, want := range map[fcgisup.Activation]int{fcgisup.Fleet: 3, fcgisup.Lazy: 1, fcgisup.Eager: 3} {
		t.Run(string(activation), func(t *testing.T) {
			b := run(t, "serve", func(a *fcgisup.App) { a.Instances, a.Activation = 3, activation })
			b.ask("hello")
			up := func() int {
				n := 0
				for _, st := range b.sup.Snapshot() {
					if st.State == control.Up {
						n++
					}
				}
				return n
			}
			eventually(t, "as many as should be are up", func() bool { return up() == want })
			time.Sleep(50 * time.Millisecond)
			if n := up(); n != want || b.spawns() != want {
				t.Errorf("%d up after %d spawns, want %d", n, b.spawns(), want)
			}
		})
	}
}

func TestSecondStopKillsBusyWorkers(t *testing.T) {
	b := run(t, "ignore-term", atOnce)
	pid := b.worker(control.Ready).PID
	b.later("sleep 1m")
	eventually(t, "the worker has it", func() bool { return b.holds(pid) == 1 })
	begin := time.Now()
	go func() {
		eventually(t, "it is being stopped", func() bool { return strings.Contains(b.journal.String(), "to=draining") })
		b.sup.Kill()
	}()
	b.stop()
	if d := time.Since(begin); d > b.app.Limits.StopTimeout/2 {
		t.Errorf("killed after %s", d)
	}
	gone(t, pid)
}
