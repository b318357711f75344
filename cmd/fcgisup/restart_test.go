package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
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

// TestNotRunning: an app that sleeps, an instance that cannot be and a misspelt name are three errors.
func TestNotRunning(t *testing.T) {
	t.Parallel()
	apps := []fcgisup.App{{Name: "hello", Instances: 2}}
	for _, c := range []struct{ arg, target, err, hint string }{
		{"hello", control.ReloadTarget, "no supervisor on this host runs hello", "a sleeping app needs no reload"},
		{"hello@2", control.RestartTarget, "no supervisor on this host runs hello@2", "a sleeping app has no workers to restart"},
		{"hello@3", control.RestartTarget, "there is no instance hello@3: the configuration has 2 instances", "fcgisup status hello"},
		{"helo", control.RestartTarget, "no supervisor on this host runs helo, and the configuration has no such app", "did you mean hello?"},
		{"other", control.RestartTarget, "no supervisor on this host runs other, and the configuration has no such app", "fcgisup status"},
	} {
		which, err := control.ParseSelection(c.arg)
		if err != nil {
			t.Fatal(err)
		}
		var said *term.ExitError
		if err = notRunning(which, c.target, apps); !errors.As(err, &said) || err.Error() != c.err || !strings.HasPrefix(said.Hint, c.hint) {
			t.Errorf("%s: %v, hint %q", c.arg, err, said.Hint)
		}
	}
}

// TestRefused: one "cannot", the instance once, and the next step of that command.
func TestRefused(t *testing.T) {
	t.Parallel()
	c, in := &cli{}, control.Selection{App: "hello", Instance: 1}
	for _, test := range []struct {
		target     string
		err        error
		want, hint string
	}{
		{control.RestartTarget, errors.New("hello@1: the replacement did not come up: exit status 3"), "cannot restart hello@1: the replacement did not come up: exit status 3", "fcgisup status hello@1 --json"},
		{control.ReloadTarget, errors.New("the previous configuration stays: f.yaml:7:5: apps.x: unknown key"), "cannot reload hello: the previous configuration stays: f.yaml:7:5: apps.x: unknown key", "fcgisup validate"},
		{control.ReloadTarget, &control.UnreachableError{Path: "/x", Cause: os.ErrPermission}, "cannot reach the supervisor at /x: permission denied", "only root"},
	} {
		var out bytes.Buffer
		(&term.Env{Err: &out}).Report(c.refused(test.target, in, test.err))
		if !strings.HasPrefix(out.String(), "fcgisup: "+test.want+"\nhint: "+test.hint) {
			t.Errorf("%s", out.String())
		}
	}
}

// TestRunNeedsAProgram: a command line whose program cannot be executed fails at once.
func TestRunNeedsAProgram(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"no-such-program": "cannot find the command no-such-program: it is not in $PATH",
		"/no/such":        "cannot execute the command /no/such: no such file or directory",
		"/usr":            "cannot execute the command /usr: is a directory",
	} {
		if got := fcgisupRun("run", "--listen", filepath.Join(t.TempDir(), "s.sock"), "--", program); got.code != term.ExitUsage || !strings.HasPrefix(got.err, "fcgisup: "+want+"\nhint: ") {
			t.Errorf("%s: exit code %d, %s", program, got.code, got.err)
		}
	}
}
