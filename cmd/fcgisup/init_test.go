package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/recipe"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func TestInitFile(t *testing.T) {
	t.Parallel()
	rt, _ := recipe.Find("rt")
	for _, test := range []struct {
		args          []string
		root          bool
		content, path string
		named         string
	}{
		{nil, false, string(fcgisup.Example), "fcgisup.yaml", ""},
		{nil, true, string(fcgisup.Example), "/etc/fcgisup/fcgisup.yaml", ""},
		{[]string{"rt"}, true, rt.File, "/etc/fcgisup/fcgisup.yaml", ""},
		{[]string{"rt", "-"}, true, rt.File, "-", ""},
		{[]string{"rt", "x"}, false, rt.File, "x", ""},
		{[]string{"./rt"}, false, string(fcgisup.Example), "./rt", ""},
		{[]string{"rt.yaml"}, false, string(fcgisup.Example), "rt.yaml", ""},
		{[]string{"-"}, false, string(fcgisup.Example), "-", ""},
		{[]string{"rt"}, true, rt.File, "/x/a.yaml", "/x/a.yaml"},
		{[]string{"rt", "-"}, false, rt.File, "-", "/x/a.yaml"},
	} {
		content, path, err := initFile(test.args, test.root, test.named)
		if err != nil || string(content) != test.content || path != test.path {
			t.Errorf("initFile(%q, root %v) = %.20q, %q, %v; want %.20q, %q", test.args, test.root, content, path, err, test.content, test.path)
		}
	}
	for _, args := range [][]string{{"no-such-program"}, {"a.yaml", "b.yaml"}} {
		_, _, err := initFile(args, false, "")
		var exit *term.ExitError
		if !errors.As(err, &exit) || exit.Code != term.ExitUsage {
			t.Errorf("initFile(%q): error %v, want a usage error", args, err)
		}
	}
}

// TestInitKeepsFiles proves that init never overwrites, and leaves nothing behind when it cannot write.
func TestInitKeepsFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kept.yaml")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	c := &cli{Env: &term.Env{Out: &out}}
	if err := c.writeInit(file, []byte("ours")); err == nil {
		t.Error("writeInit overwrote a file")
	}
	if got, _ := os.ReadFile(file); string(got) != "mine" {
		t.Errorf("the file holds %q", got)
	}
}
