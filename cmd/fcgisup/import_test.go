package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// foreignCase is a file of the importer's own cases.
func foreignCase(names ...string) []string {
	for i, name := range names {
		names[i] = "internal/foreign/testdata/" + name
	}
	return names
}

func TestImportExitCodes(t *testing.T) {
	dir := t.TempDir()
	empty, noise := filepath.Join(dir, "empty"), filepath.Join(dir, "noise")
	writeFile(t, empty, "")
	writeFile(t, noise, "[supervisord]\n\x00\xff[[[\n=\n")
	big := filepath.Join(dir, "big")
	writeFile(t, big, strings.Repeat("#\n", fcgisup.MaxConfigSize))
	tests := []struct {
		args []string
		code int
		err  string
	}{
		{foreignCase("fpm/in/etc/php-fpm.d/pools.conf"), term.ExitDone, "pools.conf:45: chroot: no counterpart"},
		{[]string{"--", "spawn-fcgi", "-s", "/run/x.sock", "--", "/bin/x"}, term.ExitDone, "-u: is not set"},
		{[]string{"--", "spawn-fcgi", "--", "/bin/x"}, term.ExitFail, "no socket is named"},
		{[]string{"--", "spawn-fcgi", "-s", "/run/x.sock", "--out", "/y", "--", "/bin/x"}, term.ExitFail, "is not an option of spawn-fcgi"},
		{[]string{"--", "spawn-fcgi", "-s", "/run/x.sock", "-n", "--", "multiwatch", "--help", "/bin/x"}, term.ExitFail, "is not an option of multiwatch"},
		{[]string{"--", "cat", "/etc/passwd"}, term.ExitFail, "starts neither spawn-fcgi nor multiwatch"},
		{[]string{empty}, term.ExitFail, "hint: the lines above name the causes; fcgisup import --help lists"},
		{[]string{noise}, term.ExitFail, "noise:2: "},
		{[]string{big}, term.ExitUsage, "larger than 1 MiB"},
		{[]string{dir}, term.ExitUsage, "is a directory"},
		{[]string{filepath.Join(dir, "none")}, term.ExitUsage, "no such file"},
		{nil, term.ExitUsage, "fcgisup: import needs files to read, or a command line after --\nhint: fcgisup import --help shows"},
		{[]string{"--"}, term.ExitUsage, "import needs files to read"},
		{[]string{empty, "--", "spawn-fcgi"}, term.ExitUsage, "import takes files or a command line after --, not both"},
		{append(foreignCase("fpm/in/etc/php-fpm.d/pools.conf"), "--name", "one"), term.ExitUsage, "--name names one app, got 2"},
		{append(foreignCase("fpm/in/etc/php-fpm.d/pools.conf"), "--name", "Not A Name"), term.ExitUsage, "--name"},
		{append(foreignCase("fpm/in/etc/php-fpm.d/pools.conf"), "--instances", "-1"), term.ExitUsage, "--instances"},
		{append(foreignCase("fpm/in/etc/php-fpm.d/pools.conf"), "--instances", "0"), term.ExitUsage, "--instances"},
		{append(foreignCase("fpm/in/etc/php-fpm.d/pools.conf"), "--instances", "4"), term.ExitDone, "--instances is not used"},
	}
	for _, test := range tests {
		got := fcgisupRun(append([]string{"import"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.err, test.err) {
			t.Errorf("import %q: exit %d, want %d and %q\n%s", test.args, got.code, test.code, test.err, got.err)
		}
		if (got.out != "") != (test.code == term.ExitDone) {
			t.Errorf("import %q: exit %d and prints %q", test.args, got.code, got.out)
		}
	}
}

// TestImportOut: the file is new, whole, and its owner's only if it holds a secret.
func TestImportOut(t *testing.T) {
	for file, mode := range map[string]os.FileMode{
		"fpm-debian/in/etc/php/8.2/fpm/pool.d/www.conf": 0o644,
		"fpm/in/etc/php-fpm.d/pools.conf":               0o600,
	} {
		out := filepath.Join(t.TempDir(), "fcgisup.yaml")
		args := append([]string{"import", "--out", out}, foreignCase(file)...)
		if got := fcgisupRun(args...); got.code != term.ExitDone || !strings.Contains(got.out, "wrote "+out) {
			t.Fatalf("%q: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
		info, err := os.Stat(out)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", file, info.Mode(), err, mode)
		}
		if got := fcgisupRun("validate", out); got.code != term.ExitDone {
			t.Errorf("validate: %s", got.err)
		}
		before := tree(t, filepath.Dir(out))
		if got := fcgisupRun(args...); got.code != term.ExitFail || !strings.Contains(got.err, "exists") {
			t.Errorf("a second time: exit %d, %s", got.code, got.err)
		}
		if after := tree(t, filepath.Dir(out)); len(after) != 1 || after["fcgisup.yaml"] != before["fcgisup.yaml"] {
			t.Errorf("the directory holds %q", after)
		}
	}
	if got := fcgisupRun(append([]string{"import", "--out", "/nowhere/at/all"}, foreignCase("fpm/in/etc/php-fpm.d/pools.conf")...)...); got.code != term.ExitFail {
		t.Errorf("nowhere to write: exit %d", got.code)
	}
}

// TestImportRoundTrip: what gen makes of an imported pair listens where the pair did, for the same people.
func TestImportRoundTrip(t *testing.T) {
	const folder = "internal/foreign/testdata/seed/in/etc/systemd/system/"
	dir := t.TempDir()
	config := filepath.Join(dir, "fcgisup.yaml")
	links, err := filepath.Glob(folder + "sockets.target.wants/*")
	if err != nil || len(links) != 3 {
		t.Fatal(links, err)
	}
	args := append([]string{"import", "--out", config, folder + "rt-fastcgi@.service", folder + "rt-fastcgi@.socket"}, links...)
	if got := fcgisupRun(args...); got.code != term.ExitDone {
		t.Fatal(got.err)
	}
	gen(t, "units", "--config", config, "--out", dir)
	made := unitDirectives(t, filepath.Join(dir, "systemd/rt-fastcgi@.socket"))
	for _, d := range []units.Directive{
		{Section: "Socket", Key: "ListenStream", Value: "/run/rt%i.sock"},
		{Section: "Socket", Key: "SocketUser", Value: "www-data"},
		{Section: "Socket", Key: "SocketGroup", Value: "www-data"},
		{Section: "Socket", Key: "SocketMode", Value: "0660"},
	} {
		if !slices.Contains(made, d) || !slices.Contains(unitDirectives(t, folder+"rt-fastcgi@.socket"), d) {
			t.Errorf("not in both: %+v\n%v", d, made)
		}
	}
	target := unitDirectives(t, filepath.Join(dir, "systemd/rt-fastcgi.target"))
	want := "rt-fastcgi@1.socket rt-fastcgi@2.socket rt-fastcgi@3.socket"
	if !slices.Contains(target, units.Directive{Section: "Unit", Key: "Wants", Value: want}) {
		t.Errorf("the target wants %v", target)
	}
	service := unitDirectives(t, filepath.Join(dir, "systemd/rt-fastcgi@.service"))
	if !slices.Contains(service, units.Directive{Section: "Service", Key: "User", Value: "rt"}) {
		t.Errorf("the service is %v", service)
	}
}

// unitDirectives are a unit's, without their lines.
func unitDirectives(t *testing.T, path string) []units.Directive {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := units.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Line = 0
	}
	return all
}

// TestImportSaysWhoReads: a configuration with secrets is not readable by apps, and import says so.
func TestImportSaysWhoReads(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]bool{"secret": true, "plain": false} {
		text := "[fcgi-program:a]\ncommand=/bin/true\nsocket=unix:///run/a.sock\n"
		if want {
			text += "environment=DB_PASSWORD=\"x\"\n"
		}
		writeFile(t, name+".conf", text)
		got := fcgisupRun("import", name+".conf", "--out", name+".yaml")
		if got.code != term.ExitDone || strings.Contains(got.out, "chgrp GROUP "+name+".yaml && chmod 640 "+name+".yaml\n") != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
