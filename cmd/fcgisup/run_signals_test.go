package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// TestSignalBeforeTheFirstWorker: it does not wait until that has been started, and is not lost.
func TestSignalBeforeTheFirstWorker(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	r := &runner{log: log, signals: make(chan os.Signal, 1)}
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
	sockets, err := supervisor.ListenOnAll(app.Expand(), app.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSockets(sockets, log)
	spawner := supervisor.NewSpawner()
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
