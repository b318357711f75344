package show

import (
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestTableTellsOfRefusedConfigurations, once for each reason, and of no probe without a worker that could answer.
func TestTableTellsOfRefusedConfigurations(t *testing.T) {
	up := []control.WorkerStatus{{PID: 1, State: control.Ready}}
	asked := &control.ProbeStatus{OK: true}
	refused := "cannot reload, going on as before: a.yaml:3:5: unknown key\na.yaml:4:5: apps.b: too many"
	all := []control.Status{
		{App: "a", Instance: 1, State: control.Up, Workers: up, Probe: asked, ConfigError: refused},
		{App: "a", Instance: 2, State: control.Up, Workers: up, Probe: asked, ConfigError: refused},
		{App: "b", Instance: 1, State: control.InstanceFailing, Probe: asked},
	}
	var text strings.Builder
	if err := Table(&text, all, time.Now(), term.Screen{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	want := "a@1, a@2: the configuration is invalid: cannot reload, going on as before: a.yaml:3:5: unknown key; a.yaml:4:5: apps.b: too many; the previous one is in use"
	if len(lines) != 5 || lines[4] != want {
		t.Fatalf("%s", text.String())
	}
	if !strings.Contains(lines[1], " ok ") || strings.Contains(lines[3], "ok") {
		t.Errorf("probes:\n%s", text.String())
	}
}

// TestTableShowsWrongAnswers: how the answer to a failed probe begins stands below the table, and nothing of a good one.
func TestTableShowsWrongAnswers(t *testing.T) {
	t.Parallel()
	all := []control.Status{
		{App: "a", Instance: 1, State: control.Up, Probe: &control.ProbeStatus{Class: "status", Error: "status 500, expected 200-399", Answer: `Status: 500\r\n\r\nno database`}},
		{App: "a", Instance: 2, State: control.Up, Probe: &control.ProbeStatus{OK: true, Answer: "fine"}},
	}
	var text strings.Builder
	if err := Table(&text, all, time.Now(), term.Screen{}); err != nil {
		t.Fatal(err)
	}
	want := `a@1: the probe fails (status 500, expected 200-399); the answer begins: Status: 500\r\n\r\nno database`
	if lines := strings.Split(strings.TrimSpace(text.String()), "\n"); len(lines) != 4 || lines[3] != want {
		t.Errorf("%s\nwant %s", text.String(), want)
	}
}
