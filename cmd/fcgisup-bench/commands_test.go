package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCommandFailures: a refusal with exit code 1 is not a measurement, a difference with it is one.
func TestCommandFailures(t *testing.T) {
	for script, works := range map[string]bool{
		"echo plan; exit 0": true,
		"echo plan; echo 'fcgisup: nginx does not run' >&2; exit 1":    true,
		"echo 'fcgisup: cannot apply: there is none' >&2; exit 1":      false,
		"echo begun; echo 'fcgisup: cannot go on: no' >&2; exit 1":     false,
		"echo 'fcgisup: the units would read another one' >&2; exit 1": false,
		"exit 1":            false,
		"echo plan; exit 2": false,
		"echo plan; exit 3": false,
		"exec sleep 60":     false,
	} {
		dir := t.TempDir()
		about := subject{dir: dir, binary: filepath.Join(dir, "fcgisup")}
		if err := os.WriteFile(about.binary, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		m := &commands{Rounds: 2, Limit: 10 * time.Second}
		if script == "exec sleep 60" {
			m.Limit = 100 * time.Millisecond
		}
		took, err := m.command(t.Context(), about, []string{"apply"})
		if works != (err == nil) || works != (len(took) == 2) {
			t.Errorf("%s: %v, %v", script, took, err)
		}
	}
}
