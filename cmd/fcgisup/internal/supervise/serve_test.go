package supervise

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestServeGoesOnWithout: a successor whose port for metrics is taken has the rest, until the run ends.
func TestServeGoesOnWithout(t *testing.T) {
	app := fcgisup.Default("rt")
	app.Command = []string{"/bin/true"}
	opt := supervisor.Options{App: app, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	sup, err := supervisor.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer func() {
		if err := sup.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	defer end()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	r := &Runner{log: opt.Log, control: filepath.Join(t.TempDir(), "control.sock"), metrics: busy.Addr().String(), http: "127.0.0.1:0"}
	defer r.closeServers()
	if err := r.serve(ctx, sup, opt, app.Expand(), metricsHandler(sup, func() string { return "1" })); err == nil {
		t.Error("the port is taken, and no error is reported")
	}
	if _, err := control.Fetch(t.Context(), nil, r.control); err != nil {
		t.Errorf("there is no control socket: %v", err)
	}
	if n := len(r.servers); n != 2 {
		t.Errorf("%d servers, want those of control socket and HTTP", n)
	}
	r.closeServers()
	if _, err := control.Fetch(t.Context(), nil, r.control); err == nil {
		t.Error("the control socket outlives the run")
	}
}
