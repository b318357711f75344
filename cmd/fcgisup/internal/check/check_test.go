package check

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

// checkOf runs check on the configuration of the directory.
func checkOf(t *testing.T, dir, controls string) ([]checked, int) {
	t.Helper()
	var out bytes.Buffer
	c := &term.Env{In: strings.NewReader(""), Out: &out, Err: &out, Config: filepath.Join(dir, "fcgisup.yaml"), Getenv: func(string) string { return "" }}
	k := &Checker{Env: c, supervisors: control.Supervisors{Root: controls}, json: true, timeout: time.Second}
	code := c.Report(k.Run(t.Context(), nil, func(string) bool { return false }))
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
		{[]string{"--config", config, "--control", socket + ".none"}, NagiosUnknown, "cannot reach the supervisor at " + socket + ".none: "},
		{[]string{"--control", socket, filepath.Join(dir, "a1.sock")}, NagiosUnknown, "--control and ADDRESS exclude each other"},
	} {
		if text, code := checkLine(t, test.args...); code != test.code || !strings.Contains(text, test.says) {
			t.Errorf("%v: exit %d, %s", test.args, code, text)
		}
	}
}

// TestCheckRefusesFlagsOfARequest: without a path nothing would be asked that they could change.
func TestCheckRefusesFlagsOfARequest(t *testing.T) {
	for _, args := range [][]string{{"--expect", "404"}, {"--body", "x"}, {"--method", "POST"}, {"--param", "A=b"}} {
		text, code := checkLine(t, append([]string{"/nowhere/a.sock"}, args...)...)
		if code != NagiosUnknown || !strings.Contains(text, args[0]+" needs --path") || !strings.Contains(text, "hint: add --path /") {
			t.Errorf("%v: exit %d, %s", args, code, text)
		}
	}
}
