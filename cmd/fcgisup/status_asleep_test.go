package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestStatusOfSleepers: a socket that is held and no supervisor is an instance that sleeps, one that nobody holds is
// not there, and one that is not configured is neither.
func TestStatusOfSleepers(t *testing.T) {
	dir := t.TempDir()
	held, err := net.Listen("unix", filepath.Join(dir, "a1.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	config := filepath.Join(dir, "fcgisup.yaml")
	text := fmt.Sprintf("apps:\n  sleepers:\n    command: /bin/false\n    instances: 2\n    listen: %s/a%%i.sock\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		which, says string
		code        int
	}{
		{"sleepers", "sleepers@1  sleeping  -      0/0 ", term.ExitDone},
		{"sleepers@1", "sleepers@1  sleeping  -      0/0 ", term.ExitDone},
		{"sleepers@2", "no supervisor here runs sleepers@2, and nobody listens on ", term.ExitFail},
		{"sleepers@9", "no supervisor here runs sleepers@9, and the configuration has none", term.ExitFail},
		{"other", "no supervisor here runs other, and the configuration has none", term.ExitFail},
	} {
		var out bytes.Buffer
		code := run(t.Context(), []string{"status", test.which, "--config", config}, stdio{strings.NewReader(""), &out, &out})
		if code != test.code || !strings.Contains(out.String(), test.says) || strings.Contains(out.String(), "sleepers@2  ") {
			t.Errorf("status %s: exit %d\n%s", test.which, code, &out)
		}
	}
}
