package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadRegular: what an app's user can put in place of a file holds no command up.
func TestReadRegular(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, []byte("PATH=/opt/bin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{good: "/opt/bin", pipe: usualPath, "/dev/zero": usualPath, dir: usualPath, filepath.Join(dir, "none"): usualPath} {
		got := make(chan string, 1)
		go func() { got <- pathIn(nil, []string{path}) }()
		select {
		case got := <-got:
			if got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s is waited for", path)
		}
	}
}

// TestRefusalIsALine: a control socket of others writes no line of its own on a terminal.
func TestRefusalIsALine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "x\nfcgisup: all fine\r\nhint: \x1b[31mcurl" + strings.Repeat("y", 2*longestRefusal)})
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	err = ask(t.Context(), path, http.MethodGet, "/status", nil)
	if err == nil || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > longestRefusal+100 || !strings.HasPrefix(err.Error(), "x; fcgisup") {
		t.Errorf("%.200q", err)
	}
}
