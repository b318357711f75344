package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
				t.Errorf("not as in %s (-want +got); make golden writes it again:\n%s", name, diff)
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

// TestHelpKeepsTheRules holds what --help says to a form that fits a screen and can be scanned: an imperative of at most ten
// words, at most fifteen lines, two examples, noun phrases for flags, eighty columns.
func TestHelpKeepsTheRules(t *testing.T) {
	third := regexp.MustCompile(`^(?:\w+[^s]s|The|An?|How|What|See)$`) // not the first word of an imperative
	verb := regexp.MustCompile(`^(?:also|close|do|only|print|run|serve|show|with|write)\b`)
	for _, cmd := range visible(testRoot()) {
		path := cmd.CommandPath()
		words := strings.Fields(cmd.Short)
		if len(words) == 0 || len(words) > 10 || third.MatchString(words[0]) || !unicode.IsUpper(rune(words[0][0])) || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its summary %q is not an imperative of at most ten words", path, cmd.Short)
		}
		if n := strings.Count(cmd.Long, "\n") + 1; cmd.Long == "" || n > 15 {
			t.Errorf("%s: its description has %d lines, want 1 to 15", path, n)
		}
		if n := strings.Count(cmd.Example, "  fcgisup "); n < 2 {
			t.Errorf("%s has %d examples, want two", path, n)
		}
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			_, text := pflag.UnquoteUsage(f)
			if text == "" || verb.MatchString(text) || unicode.IsLower(rune(text[0])) == false && !unicode.IsUpper(rune(text[1])) || strings.HasSuffix(text, ".") {
				t.Errorf("%s --%s: %q is not a noun phrase", path, f.Name, f.Usage)
			}
		})
		help := fcgisupRun(append(strings.Fields(path)[1:], "--help")...).out
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s --help has a line of %d columns: %s", path, n, line)
			}
		}
	}
}
