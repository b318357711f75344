package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestPrivateEnvironment: a private configuration's values get into no unit that
// every user may read.
func TestPrivateEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fcgisup.yaml")
	const plain = "apps: {p: {command: /bin/true, environment: {DB_PASSWORD: hunter2}, systemd: {supervise: false}}}\n"
	for _, c := range []struct {
		text string
		mode os.FileMode
		want int
	}{
		{plain, 0o640, term.ExitUsage},
		{plain, 0o600, term.ExitUsage},
		{plain, 0o644, term.ExitDone},
		{strings.Replace(plain, "false", "true", 1), 0o640, term.ExitDone},
		{strings.Replace(plain, "environment: {DB_PASSWORD: hunter2}", "environment_file: /etc/p", 1), 0o640, term.ExitDone},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		code := run(t.Context(), []string{"gen", "units", "--config", file}, stdio{strings.NewReader(""), &out, &errs})
		if code != c.want || code != term.ExitDone && (strings.Contains(out.String()+errs.String(), "hunter2") || !strings.Contains(errs.String(), "hint: move the values")) {
			t.Errorf("%o: exit code %d, %s%s", c.mode, code, out.String(), errs.String())
		}
	}
}
