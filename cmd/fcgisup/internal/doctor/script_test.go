package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// TestScriptArgument: a script that an interpreter is to run must be there.
func TestScriptArgument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, bare := dir+"/right", dir+"/bare"
	for path, text := range map[string]string{script: "#!/bin/sh\n", bare: "print 1\n"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"perl5.36", "python3.11", "php-cgi8.2", "node"} {
		if err := os.Symlink("/bin/sh", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	gone := dir + "/gone"
	for _, test := range []struct {
		argv []string
		want string
	}{
		{[]string{dir + "/perl5.36", gone}, "command-missing perl5.36 is to run it"},
		{[]string{dir + "/perl5.36", "-w", "-I", "/nowhere", gone}, "command-missing"},
		{[]string{dir + "/perl5.36", "-I/nowhere", script, gone}, ""},
		{[]string{dir + "/perl5.36", "-we", "print", gone}, ""},
		{[]string{dir + "/python3.11", "-u", gone}, "command-missing"},
		{[]string{dir + "/python3.11", "-m", "flup", gone}, ""},
		{[]string{dir + "/php-cgi8.2", "-c", "/nowhere", "--", gone}, "command-missing"},
		{[]string{dir + "/php-cgi8.2", "-c", "/nowhere"}, ""},
		{[]string{dir + "/node", gone}, ""}, // may be gone.js
		{[]string{dir + "/node", gone + ".js"}, "command-missing"},
		{[]string{"/usr/bin/env", "sh", gone}, "command-missing"},
		{[]string{"/bin/sh", script}, ""},
		{[]string{"/bin/sh", "relative"}, ""},
		{[]string{"/bin/sh", "-c", "exec " + gone}, "command-missing"},
		{[]string{"/bin/sh", "-ec", "exec " + bare}, "command-format"},
		{[]string{"/bin/sh", "-c", "exec " + script + " -x"}, ""},
		{[]string{"/bin/sh", "-c", "test -e /x || exec " + gone}, ""},
		{[]string{"/bin/cat", gone}, ""},
	} {
		check(t, test.argv[len(test.argv)-1], launch{argv: test.argv, directory: "/", path: usualPath, user: "u"}.problem(), test.want)
	}
}

// TestMissingOfUnit: what a unit names and this host does not have, and commands beside the program.
func TestMissingOfUnit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u := units.ServiceUnit{Program: "/bin/sh", Needs: []units.Need{
		{Directive: "StandardOutput", Path: dir + "/out", Parent: true},
		{Directive: "StandardError", Path: dir + "/none/out", Parent: true},
		{Directive: "LoadCredential", Path: dir + "/none"},
		{Directive: "RootDirectory", Path: dir},
	}}
	want := []configured{{"StandardError", dir + "/none/out"}, {"LoadCredential", dir + "/none"}}
	if got := missingOf(u); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
	u.Needs, u.Directory = nil, dir+"/state"
	if got := missingOf(u); len(got) != 1 {
		t.Errorf("got %v, want its working directory", got)
	}
	if u.Made = []string{dir + "/state"}; len(missingOf(u)) != 0 {
		t.Errorf("got %v, though systemd makes it", missingOf(u))
	}
	check(t, "no helper", programProblem(socketFacts{service: u}), "")
	u.Helpers = []units.Helper{{Directive: "ExecStartPre", Argv: []string{"/bin/sh"}}, {Directive: "ExecStartPre", Argv: []string{dir + "/none"}, Privileged: true}}
	check(t, "a helper", programProblem(socketFacts{service: u}), "command-missing ExecStartPre=")
}

// TestClosedDirectory: a working directory that the user may not enter is found.
func TestClosedDirectory(t *testing.T) {
	if !term.IsRoot() {
		t.Skip("only root can try as another user")
	}
	dir, err := os.MkdirTemp("/var/lib", "directory")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	who := access.Credentials{UID: 65534, GID: 65534}
	check(t, "closed", launch{argv: []string{"/bin/sh"}, directory: dir, user: "u", who: &who}.problem(), "directory-closed u cannot enter the working directory "+dir)
	if err := errors.Join(os.Chown(dir, 0, 1), os.Chmod(dir, 0o710)); err != nil { // daemon's
		t.Fatal(err)
	}
	u := units.ServiceUnit{Program: "/bin/sh", Directory: dir, User: "nobody"}
	check(t, "another group's", programProblem(socketFacts{service: u}), "directory-closed")
	u.Groups = []string{"daemon"}
	check(t, "a further group's", programProblem(socketFacts{service: u}), "")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	check(t, "open", launch{argv: []string{"/bin/sh"}, directory: dir, user: "u", who: &who}.problem(), "")
}

// TestHiddenEnvironment: an environment file that the sandbox hides from the supervisor.
func TestHiddenEnvironment(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env") // below /tmp, or wherever tests are
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	app := fcgisup.Default("a")
	app.EnvironmentFile = "-" + file
	unit := func(directive string) []deploy.Change {
		return []deploy.Change{{Name: "systemd/a-fastcgi@.service", New: []byte("[Service]\n" + directive + "\n")}}
	}
	hidden := "InaccessiblePaths=" + filepath.Dir(file)
	for _, test := range []struct {
		directive string
		supervise bool
		want      string
	}{
		{hidden, true, "sandbox-hides its environment file"},
		{"TemporaryFileSystem=" + filepath.Dir(file), true, "sandbox-hides its environment file"},
		{"PrivateDevices=yes", true, ""},
		{hidden, false, ""},
	} {
		a := appFacts{App: app, changes: unit(test.directive)}
		a.Systemd.Supervise = test.supervise
		got := a.hiddenEnvironment()
		check(t, test.directive, got, test.want)
		if got != nil && got.Severity != finding.Error {
			t.Errorf("%s: %s", test.directive, got.Severity)
		}
	}
}
