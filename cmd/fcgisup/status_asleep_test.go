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

// TestStatusOfSleepers: an instance whose socket listens without a supervisor is sleeping; one without a listener
// is reported as missing, and so is one that is not configured.
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
		{"sleepers@2", "no supervisor on this host runs sleepers@2, and no process listens on ", term.ExitFail},
		{"sleepers@9", "no supervisor on this host runs sleepers@9, and the configuration has no such app", term.ExitFail},
		{"other", "no supervisor on this host runs other, and the configuration has no such app", term.ExitFail},
	} {
		var out bytes.Buffer
		code := run(t.Context(), []string{"status", test.which, "--config", config}, stdio{strings.NewReader(""), &out, &out})
		if code != test.code || !strings.Contains(out.String(), test.says) || strings.Contains(out.String(), "sleepers@2  ") {
			t.Errorf("status %s: exit %d\n%s", test.which, code, &out)
		}
	}
}
