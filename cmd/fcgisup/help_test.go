package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

const helpDir = "../../testdata/help"

// TestHelp compares every --help with testdata/help, so that a change of the interface is seen as one.
func TestHelp(t *testing.T) {
	if *update {
		if err := os.RemoveAll(helpDir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(helpDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]bool{}
	for _, cmd := range visible(testRoot()) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".txt"
		found[name] = true
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			got := fcgisupRun(append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
			if got.code != term.ExitDone || got.err != "" {
				t.Fatalf("exit %d, %s", got.code, got.err)
			}
			path := filepath.Join(helpDir, name)
			if *update {
				if err := os.WriteFile(path, []byte(got.out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.out); diff != "" {
				t.Errorf("not as in %s (-want +got); make golden writes it anew:\n%s", name, diff)
			}
		})
	}
	for name := range tree(t, helpDir) {
		if !found[name] {
			t.Errorf("%s is of no command", name)
		}
	}
}

func testRoot() *cobra.Command {
	return (&cli{Env: &term.Env{Getenv: func(string) string { return "" }}}).rootCommand()
}

// visible is a command and all below it that --help shows.
func visible(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			all = append(all, visible(sub)...)
		}
	}
	return all
}

// TestHelpIsComplete: every command has an example, and none shows a flag without a word.
func TestHelpIsComplete(t *testing.T) {
	for _, cmd := range visible(testRoot()) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its summary is %q", cmd.CommandPath(), cmd.Short)
		}
		if cmd.Example == "" && cmd.HasAvailableLocalFlags() {
			t.Errorf("%s has flags and no example", cmd.CommandPath())
		}
	}
}
