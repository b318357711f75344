package supervisor

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// TestReloadIsOverOnlyWithTheNewGeneration: a reload that also asks for more workers has the pool grow before the new
// command is proven; what is started by then like the old ones is replaced as well.
func TestReloadIsOverOnlyWithTheNewGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation, a.Workers = fcgisup.Eager, fcgisup.Workers{Min: 1, Max: 1}
			h.make = func(n int) (*fakeProcess, error) {
				p := &fakeProcess{}
				time.AfterFunc(100*time.Millisecond, func() { p.set(worker.Observation{Accepting: true}) })
				return p, nil
			}
		})
		b.after(time.Second)
		more, next := b.app, worker.Launch{Argv: []string{"/bin/next"}, StopSignal: syscall.SIGTERM}
		more.Workers = fcgisup.Workers{Min: 3, Max: 3}
		reply := make(chan error, 1)
		b.post(func(now time.Time) { b.beginRoll(control.Reload, more, next, reply, now) })
		st := b.after(10 * time.Second)
		if err := <-reply; err != nil {
			t.Fatal(err)
		}
		b.want(t, st, control.Up, control.Ready, control.Ready, control.Ready)
		for _, s := range b.slots {
			if !slices.Equal(s.launch.Argv, next.Argv) {
				t.Errorf("after the reload a worker was started by %v, want %v", s.launch.Argv, next.Argv)
			}
		}
		b.end(t)
	})
}
