package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	if got.code != exitDone {
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

// TestManPages: a page for each command, the same bytes each time, texts not eaten as Markdown.
func TestManPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if got := fcgisupRun("man", dir); got.code != exitDone {
			t.Fatalf("exit %d: %s", got.code, got.err)
		}
	}
	pages := tree(t, first)
	if diff := cmp.Diff(pages, tree(t, second)); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	for _, cmd := range visible(testRoot()) {
		page := pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"]
		if !strings.Contains(page, "Sep 2026") {
			t.Errorf("%s has no page of that date: %.200s", cmd.CommandPath(), page)
		}
	}
	for _, text := range []string{"==> PATH <==", "systemd/*"} {
		if page := strings.ReplaceAll(pages["fcgisup-gen.1"], `\&`, ""); !strings.Contains(page, text) {
			t.Errorf("fcgisup-gen.1 has lost %q:\n%s", text, page)
		}
	}
	for _, text := range []string{"apps.NAME.limits.request_timeout", "alerts.to[].url_file", "/run/NAME%i.sock", "instances: 5"} {
		if page := strings.ReplaceAll(pages["fcgisup.yaml.5"], `\&`, ""); !strings.Contains(page, text) {
			t.Errorf("fcgisup.yaml.5 has lost %q:\n%.500s", text, page)
		}
	}
	if got := fcgisupRun("man", filepath.Join(first, "none")); got.code != exitFail {
		t.Errorf("a missing folder: exit %d", got.code)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if got := fcgisupRun("man", first); got.code != exitUsage {
		t.Errorf("a date that is none: exit %d", got.code)
	}
}
