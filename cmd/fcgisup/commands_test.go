package main

import (
	"io"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestRunIsBuiltAlone: a supervisor does not build the commands that it is not, and takes the same flags.
func TestRunIsBuiltAlone(t *testing.T) {
	t.Parallel()
	help := func(args ...string) (text string, commands int) {
		var out strings.Builder
		c := &cli{Env: &term.Env{In: strings.NewReader(""), Out: &out, Err: io.Discard, Args: args}}
		root := c.rootCommand()
		commands = len(root.Commands())
		root.SetArgs(args)
		root.SetOut(&out)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
		return out.String(), commands
	}
	alone, n := help("run", "--help")
	if n != 1 {
		t.Errorf("%d commands are built, want 1", n)
	}
	whole, n := help("help", "run")
	if n < 10 {
		t.Errorf("%d commands are built for help", n)
	}
	if alone != whole || !strings.Contains(alone, "--instance") {
		t.Errorf("run says of itself:\n%s\nand help says:\n%s", alone, whole)
	}
}
