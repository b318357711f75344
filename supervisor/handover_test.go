package supervisor

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// An instance that does not answer ends no handover later than its context, and all
// instances go on as before, the one that had answered included.
func TestFreezeObeysItsContext(t *testing.T) {
	b := run(t, "serve", func(a *fcgisup.App) {
		a.Instances, a.Activation = 2, fcgisup.Eager
	})
	eventually(t, "both are up", func() bool {
		all := b.sup.Snapshot()
		return all[0].State == control.Up && all[1].State == control.Up
	})
	blocked, unblock := make(chan struct{}), make(chan struct{})
	b.sup.instances[1].post(func(time.Time) { close(blocked); <-unblock })
	<-blocked
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.sup.Suspend(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	// Had it answered whether it is busy, and not what it is:
	verdict := make(chan bool)
	if err := b.spawner.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.sup.suspendInstances(ctx, verdict); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(verdict)
	b.spawner.Unpause()
	close(unblock)
	pid := b.sup.Snapshot()[0].Workers[0].PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first instance replaces its worker", func() bool {
		st := b.sup.Snapshot()[0]
		return st.State == control.Up && len(st.Workers) == 1 && st.Workers[0].PID != pid
	})
	r := b.ask("pid")
	if r.pid == 0 || r.pid == os.Getpid() {
		t.Errorf("%+v", r)
	}
}
