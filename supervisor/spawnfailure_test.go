package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestKernelMeansTheObstacle: what execve(2) and chdir(2) answer is among the errors that are looked into.
func TestKernelMeansTheObstacle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(path, []byte("#!/bin/sh\r\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := run(t, "serve", atOnce, func(a *fcgisup.App) { a.Command = []string{path} })
	eventually(t, "the failure is noted", func() bool { return b.status().LastFailure != nil })
	want := "cannot execute " + path + ": no such file or directory: the first line of " + path + " ends in CR LF"
	if f := b.status().LastFailure; f.Cause != control.SpawnError || !strings.HasPrefix(f.Detail, want) {
		t.Errorf("last failure %+v", f)
	}
}
