package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor"
)

// checkOf is what check says of the test's configuration, or of addresses, and its exit code.
func (s *supervised) checkOf(t *testing.T, controls string, addresses ...string) ([]checked, int) {
	t.Helper()
	var out bytes.Buffer
	c := &cli{stdio: stdio{strings.NewReader(""), &out, &out}, config: s.configPath(), getenv: func(string) string { return "" }}
	k := &checker{cli: c, supervisors: supervisors{root: controls}, json: true, timeout: time.Second, changed: func(string) bool { return false }}
	code := c.report(k.run(t.Context(), addresses))
	var results []checked
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return results, code
}

// TestCheckBusyIsNotDead: instance 1 serves somebody for long, instance 2 only one who has gone. With the
// supervisor's word and without, and by address, the first is busy and the second does not answer.
func TestCheckBusyIsNotDead(t *testing.T) {
	t.Parallel()
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "busy", fmt.Sprintf("command: [%s]\ninstances: 2\nlisten: DIR/a%%i.sock\nhealth: {interval: 10m, timeout: 1s}", appPath(t, "hello.pl")))
	first, second := filepath.Join(s.dir, "a1.sock"), filepath.Join(s.dir, "a2.sock")
	for _, address := range []string{first, second} {
		if _, err := fcgiAsk("unix", address, "/", nil, nil); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(fcgiRequest("/sleep?ms=60000", nil, nil)); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, func() error {
			for _, st := range s.all(t) {
				if st.Address == address && (st.InFlight == nil || *st.InFlight != 1) {
					return fmt.Errorf("%s: in flight %v", address, st.InFlight)
				}
			}
			return nil
		})
		if address == second {
			conn.Close()
		}
	}
	controls := filepath.Join(s.dir, "controls")
	if err := os.MkdirAll(filepath.Join(controls, "busy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.control, filepath.Join(controls, "busy", supervisor.ControlName)); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		name, controls string
		addresses      []string
	}{
		{"control", controls, nil},
		{"kernel", filepath.Join(s.dir, "none"), nil},
		{"address", filepath.Join(s.dir, "none"), []string{first, second}},
		{"saturated", controls, nil}, // by the probes of the others, which wait
	} {
		results, code := s.checkOf(t, way.controls, way.addresses...)
		if code != nagiosCritical || len(results) != 2 {
			t.Fatalf("%s: exit %d, %+v", way.name, code, results)
		}
		if r := results[0]; r.Result != "WARNING" || r.Class != classBusy || !strings.HasPrefix(r.Error, "1 request in flight, ") {
			t.Errorf("%s: a serving worker is %+v", way.name, r)
		}
		if r := results[1]; r.Result != "CRITICAL" || r.Class != "timeout" {
			t.Errorf("%s: a worker that only serves who has gone is %+v", way.name, r)
		}
	}
	if _, code := s.checkOf(t, "", first); code != nagiosWarning {
		t.Errorf("busy alone: exit %d", code)
	}
}

// TestCheckSaysWhatTheSupervisorKnows: of a worker that cannot live.
func TestCheckSaysWhatTheSupervisorKnows(t *testing.T) {
	t.Parallel()
	s := newConfigured(t, "broken", "command: [/bin/false]\nrestart: {delay: 10ms, max_delay: 20ms}\nactivation: eager\nhealth: {timeout: 1s}")
	s.until(t, 20*time.Second, func(st supervisor.Status) error {
		if st.State != supervisor.InstanceFailing {
			return fmt.Errorf("%s", st.State)
		}
		return nil
	})
	controls := filepath.Join(s.dir, "controls")
	if err := os.MkdirAll(filepath.Join(controls, "broken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.control, filepath.Join(controls, "broken", supervisor.ControlName)); err != nil {
		t.Fatal(err)
	}
	results, code := s.checkOf(t, controls)
	if code != nagiosCritical || len(results) != 1 || !strings.Contains(results[0].Error, "the instance is failing: crash, exit status 1") {
		t.Errorf("exit %d, %+v", code, results)
	}
}

// TestCheckControl: a supervisor that is named must be there, for those that sleep behind it would be woken.
func TestCheckControl(t *testing.T) {
	t.Parallel()
	dir, all := manyInstances(t, 2, supervisor.Sleeping, 0)
	countingAt(t, dir, "many", all)
	config, control := filepath.Join(dir, "fcgisup.yaml"), filepath.Join(dir, "many", supervisor.ControlName)
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--config", config, "--control", control}, nagiosOK, "many@2  " + filepath.Join(dir, "a2.sock") + "  sleeping, not asked"},
		{[]string{"--config", config, "--control", control + ".none"}, nagiosUnknown, "cannot reach the supervisor at " + control + ".none: "},
		{[]string{"--control", control, filepath.Join(dir, "a1.sock")}, nagiosUnknown, "--control and ADDRESS exclude each other"},
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
