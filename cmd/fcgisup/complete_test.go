package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func TestCompletion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fcgisup.yaml")
	config := "apps:\n  rt: {command: /bin/rt, instances: 3, description: Request Tracker}\n  wiki: {command: /bin/wiki}\n"
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line []string
		want []string
	}{
		{[]string{"restart", ""}, []string{"rt\tRequest Tracker", "wiki"}},
		{[]string{"restart", "rt@"}, []string{"rt@1\t/run/rt1.sock", "rt@2\t/run/rt2.sock", "rt@3\t/run/rt3.sock"}},
		{[]string{"restart", "rt", ""}, nil},
		{[]string{"status", "w"}, []string{"wiki"}},
		{[]string{"reload", ""}, []string{"rt\tRequest Tracker", "wiki"}},
		{[]string{"reload", "rt", ""}, nil},
		{[]string{"gen", "rt", ""}, []string{"wiki"}},
		{[]string{"gen", "units", ""}, []string{"rt\tRequest Tracker", "wiki"}},
		{[]string{"run", "--app", ""}, []string{"rt\tRequest Tracker", "wiki"}},
		{[]string{"check", "--app", ""}, []string{"rt\tRequest Tracker", "wiki"}},
	} {
		t.Run(strings.Join(test.line, " "), func(t *testing.T) {
			t.Setenv("FCGISUP_CONFIG", file)
			if diff := cmp.Diff(test.want, completed(t, test.line)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("config from the line", func(t *testing.T) {
		t.Setenv("FCGISUP_CONFIG", "/nonexistent")
		want := []string{"wiki"}
		if diff := cmp.Diff(want, completed(t, []string{"--config", file, "restart", "w"})); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("no configuration", func(t *testing.T) {
		t.Setenv("FCGISUP_CONFIG", "/nonexistent")
		if got := completed(t, []string{"restart", ""}); got != nil {
			t.Errorf("completes to %q", got)
		}
	})
}

// completed is what the shell is told, without the directive in the last line. Like a shell it keeps what begins with
// the last word.
func completed(t *testing.T, line []string) []string {
	t.Helper()
	got := fcgisupRun(append([]string{"__complete"}, line...)...)
	if got.code != term.ExitDone {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.err)
	}
	var all []string
	for _, text := range strings.Split(strings.TrimSpace(got.out), "\n") {
		if strings.HasPrefix(text, ":") {
			if text != ":4" { // cobra.ShellCompDirectiveNoFileComp
				t.Errorf("directive %s; want no file names", text)
			}
			continue
		}
		if strings.HasPrefix(text, line[len(line)-1]) {
			all = append(all, text)
		}
	}
	return all
}
