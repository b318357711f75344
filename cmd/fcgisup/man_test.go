package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManPages: a page for each command, the same bytes each time, texts not eaten as Markdown.
func TestManPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	binary := manBinary(t)
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if out, err := exec.Command(binary, "man", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
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
	listsCommands(t, pages["fcgisup.1"])
	fails := func(code int, what string, args ...string) {
		cmd := exec.Command(binary, args...)
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}
	fails(exitUsage, "no folder", "man")
	fails(exitFail, "a missing folder", "man", filepath.Join(first, "none"))
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	fails(exitUsage, "a date that is none", "man", first)
}

// listsCommands: fcgisup(1) names the pages of all that --help lists.
func listsCommands(t *testing.T, page string) {
	_, list, _ := strings.Cut(page, ".SH COMMANDS")
	list, _, _ = strings.Cut(list, ".SH ")
	for _, cmd := range testRoot().Commands() {
		if !cmd.Hidden && !strings.Contains(strings.ReplaceAll(list, `\-`, "-"), "fcgisup-"+cmd.Name()+"(1)") {
			t.Errorf("%s is not among\n%s", cmd.Name(), list)
		}
	}
}

// manBinary is what make man builds.
func manBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fcgisup-man")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-tags", "man", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("cannot build it: %v\n%s", err, out)
	}
	return path
}
