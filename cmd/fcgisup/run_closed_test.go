package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor"
)

// TestClosedServersLeaveNoSocket, not even one that has not begun to serve, as when the next listener fails.
func TestClosedServersLeaveNoSocket(t *testing.T) {
	r := &runner{log: slog.New(slog.DiscardHandler)}
	path := filepath.Join(t.TempDir(), supervisor.ControlName)
	for range 100 {
		l, err := supervisor.ListenControl(path)
		if err != nil {
			t.Fatal(err)
		}
		r.listen(context.Background(), l, http.NotFoundHandler())
		r.closeServers()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Fatalf("the control socket stays: %v", err)
		}
	}
}

// TestReloadTellsOfInstances: their number is not applied, and is said to be so.
func TestReloadTellsOfInstances(t *testing.T) {
	t.Parallel()
	s := newConfigured(t, "more", "command: [/bin/false]\nlisten: DIR/a%i.sock")
	s.configure(t, "more", "command: [/bin/false]\nlisten: DIR/a%i.sock\ninstances: 2")
	out, err := s.fcgisup("reload", "more")
	const want = "more@1 reloaded\nfcgisup: instances: 2 is not applied, 1 run: that takes a restart of fcgisup run, or under systemd fcgisup apply\n"
	if err != nil || out != want {
		t.Errorf("%v: %s", err, out)
	}
}
