package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// checkOf is what check says of the folder's configuration, and its exit code.
func checkOf(t *testing.T, dir, controls string) ([]checked, int) {
	t.Helper()
	var out bytes.Buffer
	c := &cli{Env: &term.Env{In: strings.NewReader(""), Out: &out, Err: &out, Config: filepath.Join(dir, "fcgisup.yaml"), Getenv: func(string) string { return "" }}}
	k := &checker{cli: c, supervisors: control.Supervisors{Root: controls}, json: true, timeout: time.Second, changed: func(string) bool { return false }}
	code := c.Report(k.run(t.Context(), nil))
	var results []checked
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return results, code
}

// TestCheckControl: a supervisor that is named must be there, for those that sleep behind it would be woken.
func TestCheckControl(t *testing.T) {
	t.Parallel()
	dir, all := manyInstances(t, 2, control.Sleeping, 0)
	countingAt(t, dir, "many", all)
	config, socket := filepath.Join(dir, "fcgisup.yaml"), filepath.Join(dir, "many", control.ControlName)
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--config", config, "--control", socket}, nagiosOK, "many@2  " + filepath.Join(dir, "a2.sock") + "  sleeping, not asked"},
		{[]string{"--config", config, "--control", socket + ".none"}, nagiosUnknown, "cannot reach the supervisor at " + socket + ".none: "},
		{[]string{"--control", socket, filepath.Join(dir, "a1.sock")}, nagiosUnknown, "--control and ADDRESS exclude each other"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"check"}, test.args...), stdio{strings.NewReader(""), &out, &out}); code != test.code || !strings.Contains(out.String(), test.says) {
			t.Errorf("%v: exit %d, %s", test.args, code, &out)
		}
	}
}

// TestCheckRefusesFlagsOfARequest: without a path nothing would be asked that they could change.
func TestCheckRefusesFlagsOfARequest(t *testing.T) {
	for _, args := range [][]string{{"--expect", "404"}, {"--body", "x"}, {"--method", "POST"}, {"--param", "A=b"}} {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"check", "/nowhere/a.sock"}, args...), stdio{strings.NewReader(""), &out, &out})
		if code != nagiosUnknown || !strings.Contains(out.String(), args[0]+" goes with a request") || !strings.Contains(out.String(), "hint: add --path /") {
			t.Errorf("%v: exit %d, %s", args, code, &out)
		}
	}
}
