package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

func TestProgramIsSeenToChange(t *testing.T) {
	try := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, dir string, write func(name, text string))
		want   string // "": it has not changed
	}{
		"nothing":            {func(*testing.T, string, func(string, string)) {}, ""},
		"written in place":   {func(_ *testing.T, _ string, write func(string, string)) { write("app", "other") }, "app"},
		"an argument's file": {func(_ *testing.T, _ string, write func(string, string)) { write("script.pl", "other") }, "script.pl"},
		"a file that was not there": {
			func(_ *testing.T, _ string, write func(string, string)) { write("missing.ini", "") }, "missing.ini",
		},
		"renamed over it, of the same size and time": {
			func(t *testing.T, dir string, write func(string, string)) {
				app, next := filepath.Join(dir, "app"), filepath.Join(dir, "next")
				st, err := os.Stat(app)
				try(t, err)
				write("next", "1st")
				try(t, os.Chtimes(next, st.ModTime(), st.ModTime()))
				try(t, os.Rename(next, app))
			}, "app",
		},
		"executable at last": {func(t *testing.T, dir string, _ func(string, string)) {
			try(t, os.Chmod(filepath.Join(dir, "app"), 0o500))
		}, "app"},
		"removed":         {func(t *testing.T, dir string, _ func(string, string)) { try(t, os.Remove(filepath.Join(dir, "app"))) }, "app"},
		"the link's file": {func(_ *testing.T, _ string, write func(string, string)) { write("releases/1/lib.pl", "other") }, "link.pl"},
		"the link itself": {
			func(t *testing.T, dir string, _ func(string, string)) {
				try(t, os.Symlink("releases/1/lib.pl", filepath.Join(dir, "next")))
				try(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "link.pl")))
			}, "link.pl",
		},
		"a link on the way": {
			func(t *testing.T, dir string, write func(string, string)) {
				write("releases/2/run", "other")
				try(t, os.Symlink("releases/2", filepath.Join(dir, "next")))
				try(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")))
			}, "current/run",
		},
		"the environment file":                            {func(_ *testing.T, _ string, write func(string, string)) { write("env", "A=2") }, "env"},
		"something in a directory that an argument names": {func(_ *testing.T, _ string, write func(string, string)) { write("data/cache", "x") }, ""},
		"something in its own directory":                  {func(_ *testing.T, _ string, write func(string, string)) { write("log", "x") }, ""},
		"it was executed and read": {
			func(t *testing.T, dir string, _ func(string, string)) {
				_, err := os.ReadFile(filepath.Join(dir, "app"))
				try(t, err)
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, write := inDirectory(t)
			for _, file := range []string{"app", "script.pl", "releases/1/run", "releases/1/lib.pl", "data/file", "env"} {
				write(file, "1st")
			}
			try(t, os.Symlink("releases/1", filepath.Join(dir, "current")))
			try(t, os.Symlink(filepath.Join(dir, "releases/1/lib.pl"), filepath.Join(dir, "link.pl")))
			app := fcgisup.Default("t")
			app.User, app.Directory, app.EnvironmentFile = "", dir, "-"+filepath.Join(dir, "env")
			app.Command = []string{
				filepath.Join(dir, "app"), "-w", "", "script.pl", "link.pl", "current/run", "missing.ini", "data",
				"no\x00file", strings.Repeat("long", 5000), "/dev/null", ".", "..",
			}
			l, err := NewLaunch(app, nil)
			try(t, err)
			before := ReadProgram(l)
			time.Sleep(20 * time.Millisecond) // a file's times are as fine as the kernel's tick
			test.change(t, dir, write)
			got, differs := ReadProgram(l).ChangedSince(before)
			if want := filepath.Join(dir, test.want); differs != (test.want != "") || differs && got != want {
				t.Errorf("%q changed (%t), want %q", got, differs, test.want)
			}
		})
	}
}
