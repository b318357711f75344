package supervise

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// TestSignalBeforeTheFirstWorker: it does not wait until that has been started, and is not lost.
func TestSignalBeforeTheFirstWorker(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	r := &Runner{log: log, signals: make(chan os.Signal, 1)}
	if sig := r.interrupted(nil); sig != nil {
		t.Errorf("%s without one", sig)
	}
	r.signals <- syscall.SIGHUP
	if sig := r.interrupted(nil); sig != syscall.SIGHUP {
		t.Errorf("%v, not the one that came", sig)
	}
	app := fcgisup.Default("signalled")
	app.Command = []string{"/bin/false"}
	app.Listen = fcgisup.Listen{Path: filepath.Join(t.TempDir(), "a.sock")}
	sockets, err := listen.OnAll(app.Expand(), app.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSockets(sockets, log)
	spawner := worker.NewSpawner()
	defer spawner.Close()
	opt := supervisor.Options{App: app, Sockets: sockets, Spawner: spawner, Environ: os.Environ(), Log: log}
	sup, err := supervisor.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	r.signals <- syscall.SIGTERM
	late := time.AfterFunc(30*time.Second, func() {
		t.Error("the signal is lost")
		r.signals <- syscall.SIGTERM
	})
	next, stopping, err := r.untilStopped(t.Context(), sup, opt, func() {})
	late.Stop()
	if err != nil || next != nil || !stopping {
		t.Errorf("%v, stopping %v, %v", next, stopping, err)
	}
}

// TestDrainDelay: after the first signal sockets are served for limits.drain_delay, while the supervisor says that it drains;
// a second signal does not wait.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		delay   time.Duration
		again   time.Duration // until the second signal; 0: none
		stopped time.Duration
		killed  bool
	}{
		{"none", 0, 0, 0, false},
		{"five seconds", 5 * time.Second, 0, 5 * time.Second, false},
		{"a second signal", 5 * time.Second, time.Second, time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, draining, killed := time.Now(), false, false
				ctx, stop := context.WithCancel(t.Context())
				o := &signalHandler{
					n: newNotifier(nil, slog.New(slog.DiscardHandler), nil), stop: stop, kill: func() { killed = true },
					draining: func() { draining = true }, drainDelay: func() time.Duration { return c.delay },
				}
				o.handle(syscall.SIGTERM)
				if !draining {
					t.Error("traffic is not sent elsewhere")
				}
				if c.again > 0 {
					time.Sleep(c.again)
					o.handle(syscall.SIGTERM)
				}
				<-ctx.Done()
				if took := time.Since(begun); took != c.stopped || killed != c.killed {
					t.Errorf("stopped after %v, killed %v; want %v, %v", took, killed, c.stopped, c.killed)
				}
			})
		})
	}
}
