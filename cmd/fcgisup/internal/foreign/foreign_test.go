package foreign

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

var update = flag.Bool("update", false, "write testdata")

// machine is what the cases are read on.
func machine() Options {
	env := map[string]string{"HOME": "/home/web", "COUNT": "7"}
	return Options{
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Look: func(name string) (string, error) {
			if name != "php-cgi" && name != "fcgiwrap" {
				return "", errors.New("not found")
			}
			return "/usr/bin/" + name, nil
		},
		PrimaryGroup: func(user string) (string, bool) { return user, user == "www-data" },
		Hostname:     "box",
	}
}

// sources are the files below a directory, named as if it were the root.
func sources(t *testing.T, folder string) []Source {
	t.Helper()
	var all []Source
	err := filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		all = append(all, Source{Name: strings.TrimPrefix(name, folder), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCases reads what is in testdata/NAME/in, or its argv, and compares with want.yaml and notes.txt.
func TestCases(t *testing.T) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, entry := range entries {
		if entry.Name() == "fuzz" {
			continue
		}
		tried++
		folder := filepath.Join("testdata", entry.Name())
		t.Run(filepath.Base(folder), func(t *testing.T) {
			var res Result
			if line, err := os.ReadFile(folder + "/argv"); err == nil {
				argv, err := shellWords(string(line))
				if err != nil {
					t.Fatal(err)
				}
				res = CommandLine(argv, machine())
			} else {
				res = Read(sources(t, folder+"/in"), machine())
			}
			notes := ""
			for _, n := range res.Notes {
				notes += n.String() + "\n"
			}
			golden(t, folder+"/want.yaml", string(res.Text))
			golden(t, folder+"/notes.txt", notes)
			if _, err := fcgisup.Parse("it", res.Text); err != nil {
				t.Errorf("fcgisup does not take it: %v", err)
			}
		})
	}
	if tried < 10 {
		t.Errorf("%d cases", tried)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("not as in %s (-want +got); make golden writes it again:\n%s", path, diff)
	}
}

// noted reports whether a note is about this line and word.
func noted(notes []Note, line int, word string) bool {
	return slices.ContainsFunc(notes, func(n Note) bool {
		return n.Line == line && strings.Contains(n.Directive+n.Text, word)
	})
}

// TestScriptThatReadsAnother: what the other file sets is not known, and that is said.
func TestScriptThatReadsAnother(t *testing.T) {
	const text = "#!/bin/sh\n. /lib/lsb/init-functions\n[ -r /etc/default/x ] && . /etc/default/x\nspawn-fcgi -s /run/x.sock -u www-data -- /bin/x\n"
	res := Read([]Source{{Name: "x", Data: []byte(text)}}, Options{})
	var said []string
	for _, n := range res.Notes {
		if strings.Contains(n.Text, "is read by the script") {
			said = append(said, n.String())
		}
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "x:3: /etc/default/x: ") {
		t.Errorf("%q of %v", said, res.Notes)
	}
}
