package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManListsCommands: fcgisup(1) names the pages of all that --help lists.
func TestManListsCommands(t *testing.T) {
	dir := t.TempDir()
	if got := fcgisupRun("man", dir); got.code != exitDone {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "fcgisup.1"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), ".SH COMMANDS")
	list, _, _ = strings.Cut(list, ".SH ")
	for _, cmd := range testRoot().Commands() {
		if !cmd.Hidden && !strings.Contains(strings.ReplaceAll(list, `\-`, "-"), "fcgisup-"+cmd.Name()+"(1)") {
			t.Errorf("%s is not among\n%s", cmd.Name(), list)
		}
	}
}
