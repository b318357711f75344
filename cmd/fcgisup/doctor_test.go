package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestDoctorAnywhere: on whatever machine, the JSON is an array and no rule fails.
func TestDoctorAnywhere(t *testing.T) {
	t.Chdir(t.TempDir())
	got := fcgisupRun("doctor", "--json", "--config", "nosuch.yaml")
	if got.code != term.ExitUsage || !strings.Contains(got.err, "nosuch.yaml") {
		t.Errorf("a configuration that is not there: %+v", got)
	}
	writeFile(t, "fcgisup.yaml", "apps: {a: {command: /nosuch/a}}\n")
	got = fcgisupRun("doctor", "--json")
	var found []finding.Finding
	if err := json.Unmarshal([]byte(got.out), &found); err != nil || got.code != term.ExitFail || !strings.Contains(got.out, `"command-missing"`) {
		t.Errorf("%v: %+v", err, got)
	}
}
