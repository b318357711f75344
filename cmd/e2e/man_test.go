package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManPages: a page for each command, the same bytes each time, texts not eaten as Markdown.
func TestManPages(t *testing.T) {
	inTurn(t, heavy)
	binary := manBinary(t)
	man := func(epoch string, args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"man"}, args...)...)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch)
		out, _ := cmd.CombinedOutput() // its exit code is looked at
		return string(out), cmd.ProcessState.ExitCode()
	}
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if out, code := man("1790000000", dir); code != exitDone {
			t.Fatalf("exit %d: %s", code, out)
		}
	}
	pages := tree(t, first)
	if diff := cmp.Diff(pages, tree(t, second)); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	commands, err := filepath.Glob("../../testdata/help/*.txt")
	if err != nil || len(commands) < 10 {
		t.Fatalf("found %d commands, %v", len(commands), err)
	}
	for _, file := range commands {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if page := pages[name+".1"]; !strings.Contains(page, "Sep 2026") {
			t.Errorf("%s has no page of that date: %.200s", name, page)
		}
	}
	for _, text := range []string{"==> PATH <==", "systemd/*", "replaced atomically"} {
		if page := strings.ReplaceAll(pages["fcgisup-gen.1"], `\&`, ""); !strings.Contains(page, text) {
			t.Errorf("fcgisup-gen.1 has lost %q:\n%s", text, page)
		}
	}
	if page := strings.ReplaceAll(pages["fcgisup-alert.1"], `\&`, ""); !strings.Contains(page, "\n  exec ") || strings.Contains(page, "`") {
		t.Errorf("fcgisup-alert.1 does not show its list line by line:\n%s", page)
	}
	for _, text := range []string{"apps.NAME.limits.request_timeout", "alerts.to[].url_file", "/run/NAME%i.sock", "instances: 5"} {
		if page := strings.ReplaceAll(pages["fcgisup.yaml.5"], `\&`, ""); !strings.Contains(page, text) {
			t.Errorf("fcgisup.yaml.5 has lost %q:\n%.500s", text, page)
		}
	}
	listsCommands(t, pages["fcgisup.1"], commands)
	formats(t, first)
	for what, c := range map[string]struct {
		code  int
		epoch string
		args  []string
	}{
		"no directory":        {exitUsage, "1790000000", nil},
		"a missing directory": {exitFail, "1790000000", []string{filepath.Join(first, "none")}},
		"a date that is none": {exitUsage, "yesterday", []string{first}},
	} {
		if out, code := man(c.epoch, c.args...); code != c.code {
			t.Errorf("%s: exit %d: %s", what, code, out)
		}
	}
}

// formats has the formatter warn of nothing, and every page name what it is about in a line that whatis(1) finds.
func formats(t *testing.T, dir string) {
	t.Helper()
	needFiles(t, "/usr/bin/groff", "/usr/bin/lexgrog")
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("groff", append([]string{"-z", "-t", "-Kutf8", "-Tutf8", "-mandoc", "-ww"}, pages...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
	if out, err := exec.Command("lexgrog", pages...).CombinedOutput(); err != nil || strings.Contains(string(out), "parse failed") {
		t.Errorf("lexgrog: %v\n%s", err, out)
	}
}

// listsCommands: fcgisup(1) names the pages of all that --help lists.
func listsCommands(t *testing.T, page string, commands []string) {
	t.Helper()
	_, list, _ := strings.Cut(page, ".SH COMMANDS")
	list, _, _ = strings.Cut(list, ".SH ")
	for _, file := range commands {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if strings.Count(name, "-") == 1 && !strings.Contains(strings.ReplaceAll(list, `\-`, "-"), name+"(1)") {
			t.Errorf("%s is not among\n%s", name, list)
		}
	}
}

// tree is every file below a directory.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// manBinary is what make man builds.
func manBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fcgisup-man")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags", "man", "-o", path, "../fcgisup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build it: %v\n%s", err, out)
	}
	return path
}
