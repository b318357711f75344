package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestInterruptedRestart: who stops waiting is told that the supervisor does not stop.
func TestInterruptedRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), control.ControlName)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"app":"a","instance":1,"state":"up"}]`))
	})
	mux.HandleFunc("POST /restart", func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	var out bytes.Buffer
	code := run(ctx, []string{"restart", "a", "--control", path}, stdio{strings.NewReader(""), &out, &out})
	if code != term.ExitFail || !strings.Contains(out.String(), "interrupted; the supervisor of a@1 continues") {
		t.Errorf("exit %d: %s", code, &out)
	}
}
