package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/check"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestUsageErrors are in words of the command line's, exit with 2 and name the next step.
func TestUsageErrors(t *testing.T) {
	for _, test := range []struct{ line, says string }{
		{"restart", "fcgisup: restart needs APP or APP@N\nhint: fcgisup restart --help"},
		{"status a b", "fcgisup: status takes APP or APP@N, got 2 arguments\nhint: fcgisup status --help"},
		{"demo extra", "fcgisup: demo takes no arguments, got \"extra\"\nhint: fcgisup demo --help"},
		{"statsu", "fcgisup: unknown command \"statsu\"\nhint: did you mean: fcgisup status?"},
		{"alert bogus", "fcgisup: unknown command \"alert bogus\"\nhint: fcgisup alert --help"},
		{"gen --instances x", "fcgisup: --instances: \"x\" is not a number\nhint: fcgisup gen --help"},
		{"check --timeout x", "fcgisup: --timeout: \"x\" is not a duration such as 30s or 5m\nhint: fcgisup check --help"},
		{"help bogus", "fcgisup: unknown command \"bogus\"\n"},
		{"help gen bogus", "fcgisup: unknown command \"gen bogus\"\n"},
		{"completion", "fcgisup: completion needs the name of a shell: "},
		{"completion csh", "fcgisup: unknown command \"completion csh\""},
		{"demo --http foo", "fcgisup: --http: \"foo\" is not HOST:PORT\nhint: fcgisup demo --http 127.0.0.1:8080"},
		{"run --param A=b -- /bin/true", "fcgisup: --param needs --http"},
	} {
		got := fcgisupRun(strings.Fields(test.line)...)
		want := term.ExitUsage
		if strings.HasPrefix(test.line, "check") {
			want = check.NagiosUnknown
		}
		if got.code != want || !strings.HasPrefix(got.err, test.says) || got.out != "" {
			t.Errorf("fcgisup %s: exit %d\n%s%s", test.line, got.code, got.out, got.err)
		}
	}
	if got := fcgisupRun("validate", ""); got.code != term.ExitUsage || !strings.Contains(got.err, "FILE is empty") {
		t.Errorf("validate of nothing: %+v", got)
	}
	for _, good := range []string{"help gen units", "help", "completion bash", "completion --help"} {
		if got := fcgisupRun(strings.Fields(good)...); got.code != term.ExitDone || got.out == "" || got.err != "" {
			t.Errorf("fcgisup %s: exit %d, %s", good, got.code, got.err)
		}
	}
}

// TestErrorsNameWhatThePersonNamed, not what is beside it, nor the library's function.
func TestErrorsNameWhatThePersonNamed(t *testing.T) {
	out := filepath.Join(t.TempDir(), "none", "a.yaml")
	got := fcgisupRun("import", "--out", out, "--", "spawn-fcgi", "-s", "/run/x.sock", "--", "/bin/x")
	if got.code != term.ExitFail || !strings.Contains(got.err, "cannot write the configuration: "+out+": no such file") {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}
	address := busyAddress(t)
	got = fcgisupRun("demo", "--once", "--http", address)
	if got.code != term.ExitFail || !strings.Contains(got.err, "fcgisup: cannot listen on "+address+": address already in use") {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}
}
