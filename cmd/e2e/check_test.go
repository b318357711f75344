package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// check exits as Nagios plugins do.
const (
	nagiosWarning  = 1
	nagiosCritical = 2
)

// checked is what check --json says of an instance or an address.
type checked struct{ Result, Class, Error, Note string }

// check asks whether the test's instances are well, or those at addresses, as the arguments say.
func (s *supervised) check(t *testing.T, args ...string) ([]checked, int) {
	t.Helper()
	args = append([]string{"check", "--json", "--config", s.configPath(), "--timeout", "1s"}, args...)
	command := exec.CommandContext(t.Context(), s.binary, args...)
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var results []checked
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return results, command.ProcessState.ExitCode()
}

// TestCheckBusyIsNotDead: instance 1 serves a client for long, instance 2 one that has gone. With the
// supervisor's word and without, and by address, the first is busy and the second does not answer.
func TestCheckBusyIsNotDead(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "occupied", fmt.Sprintf("command: [%s]\ninstances: 2\nlisten: DIR/a%%i.sock\nhealth: {path: /, interval: 10m, timeout: 1s}", appPath(t, "hello.pl")))
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
	for _, way := range []struct {
		name string
		args []string
	}{
		{"control", []string{"--control", s.control}},
		{"kernel", nil},
		{"address", []string{"--path", "/", first, second}},
		{"saturated", []string{"--control", s.control}}, // by the probes of the others, which wait
	} {
		results, code := s.check(t, way.args...)
		if code != nagiosCritical || len(results) != 2 {
			t.Fatalf("%s: exit %d, %+v", way.name, code, results)
		}
		if r := results[0]; r.Result != "WARNING" || r.Class != "busy" || !strings.HasPrefix(r.Error, "1 request in flight, ") {
			t.Errorf("%s: a serving worker is %+v", way.name, r)
		}
		if r := results[1]; r.Result != "CRITICAL" || r.Class != "timeout" {
			t.Errorf("%s: a worker that only serves who has gone is %+v", way.name, r)
		}
	}
	if _, code := s.check(t, "--path", "/", first); code != nagiosWarning {
		t.Errorf("busy alone: exit %d", code)
	}
}

// TestCheckSaysWhatTheSupervisorKnows: of a worker that cannot live.
func TestCheckSaysWhatTheSupervisorKnows(t *testing.T) {
	inTurn(t, light)
	s := newConfigured(t, "broken", "command: [/bin/false]\nrestart: {delay: 10ms, max_delay: 20ms}\nactivation: eager\nhealth: {timeout: 1s}")
	s.until(t, 20*time.Second, func(st control.Status) error {
		if st.State != control.InstanceFailing {
			return fmt.Errorf("%s", st.State)
		}
		return nil
	})
	results, code := s.check(t, "--control", s.control)
	if code != nagiosCritical || len(results) != 1 || !strings.Contains(results[0].Error, "the instance is failing: crash, exit status 1") {
		t.Errorf("exit %d, %+v", code, results)
	}
}
