package recipe

import (
	"flag"
	"os"
	"testing"

	"github.com/fcgisup/fcgisup"
)

var update = flag.Bool("update", false, "write docs/programs.md")

// TestAll holds each file to what init and the page need of it.
func TestAll(t *testing.T) {
	t.Parallel()
	all := All()
	if len(all) < 20 {
		t.Fatalf("%d recipes", len(all))
	}
	for _, r := range all {
		if r.Title == "" || len(r.Packages) == 0 || r.Try == "" {
			t.Errorf("%s: title %q, packages %v, try %q: all three are needed", r.Name, r.Title, r.Packages, r.Try)
		}
		c, err := fcgisup.Parse(r.Name+".yaml", []byte(r.File))
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		apps := r.apps()
		if len(apps) != len(c.Apps) {
			t.Errorf("%s: apps %v, the configuration has %d", r.Name, apps, len(c.Apps))
		}
		for _, name := range apps {
			if _, ok := c.App(name); !ok {
				t.Errorf("%s: the configuration has no app %q", r.Name, name)
			}
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	if r, ok := Find("rt"); !ok || r.Name != "rt" {
		t.Errorf("Find(rt) = %+v, %v", r, ok)
	}
	if _, ok := Find("no-such-program"); ok {
		t.Error("Find knows a program that no file describes")
	}
}

// TestPage fails when docs/programs.md is not what the recipes say; "make golden" writes it.
func TestPage(t *testing.T) {
	t.Parallel()
	const file = "../../../../docs/programs.md"
	if *update {
		if err := os.WriteFile(file, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page() {
		t.Errorf("%s is out of date: run make golden", file)
	}
}
