package doctor

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/units"
)

// TestLaunch: what would keep a program from starting is found without starting it.
func TestLaunch(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"right": "#!/bin/sh\n", "spaces": "#! \t/bin/sh -e\n", "no-newline": "#!/bin/sh", "env": "#!/usr/bin/env sh\n", "env-s": "#!/usr/bin/env -S -i A=b sh -e\r\n",
		"perl-option": "#!/usr/bin/perl -w\r\n", "relative": "#!../../../../../../bin/sh\n", "own": "#!" + dir + "/right\n",
		"long-argument": "#!/bin/sh " + strings.Repeat("x", 300) + "\n",
		"bare":          "print 1\n", "empty": "", "bom": "\xef\xbb\xbf#!/bin/sh\n", "late": "\n#!/bin/sh\n", "html": "<html>\n",
		"nothing": "#!\n", "blank": "#!  \t \n", "long": "#!/" + strings.Repeat("x", 300) + "\n",
		"lone-cr": "#!/usr/bin/perl\rprint 1;\r", "lone-cr-option": "#!/usr/bin/perl -w\rprint 1;\r", "lone-cr-end": "#!/bin/sh\r",
		"cr": "#!/bin/sh\r\n", "cr-env": "#!/usr/bin/env sh\r\n", "cr-option": "#!/bin/sh -e\r\n",
		"gone": "#!/usr/bin/pythoff\n", "gone-relative": "#!sh\n", "gone-env": "#!/usr/bin/env pythoff\n", "gone-second": "#!" + dir + "/gone\n",
		"unsplit": "#!/usr/bin/env sh -e\n", "loop": "#!" + dir + "/loop\n", "directory-named": "#!" + dir + "\n",
		"elf-other": elfHeader(elf.EM_SPARCV9), "elf-damaged": "\x7fELF\x02", "mode": "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "mode"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/nowhere", filepath.Join(dir, "link-gone")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"right": "", "spaces": "", "no-newline": "", "env": "", "env-s": "", "perl-option": "", "own": "", "long-argument": "", "relative": "",
		"bare": "command-format", "empty": "command-format is empty", "bom": "command-format byte order mark", "late": "command-format before #!", "html": "command-format",
		"nothing": "command-format names no", "blank": "command-format names no", "long": "command-format longer",
		"lone-cr": "interpreter-missing CR without a LF", "lone-cr-option": "interpreter-missing CR without a LF", "lone-cr-end": "interpreter-missing CR without a LF",
		"cr": "interpreter-missing CR", "cr-env": "interpreter-missing CR", "cr-option": "interpreter-missing CR",
		"gone": "interpreter-missing /usr/bin/pythoff", "gone-relative": "interpreter-missing /sh,", "gone-env": "interpreter-missing pythoff, which is not in PATH",
		"gone-second": "interpreter-missing /usr/bin/pythoff", "unsplit": "interpreter-missing one word", "loop": "interpreter-missing only a few", "directory-named": "command-not-executable is a directory",
		"elf-other": "command-format another machine", "elf-damaged": "command-format damaged", "mode": "command-not-executable", "nowhere": "command-missing", "link-gone": "command-missing is a link to",
		".": "command-not-executable",
	} {
		l := launch{argv: []string{filepath.Join(dir, name)}, directory: "/", path: usualPath, user: "u"}
		if name == "relative" {
			l.directory = dir
		}
		check(t, name, l.problem(), want)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "a program", launch{argv: []string{self}, directory: "/"}.problem(), "")
	check(t, "env", launch{argv: []string{"/usr/bin/env", "A=b", "pythoff"}, path: usualPath, directory: "/"}.problem(), "interpreter-missing pythoff")
	check(t, "env with a PATH", launch{argv: []string{"/usr/bin/env", "PATH=" + dir, "right"}, path: usualPath, directory: "/"}.problem(), "")
	check(t, "a PATH", launch{argv: []string{dir + "/env"}, path: dir, directory: "/"}.problem(), "interpreter-missing sh")
}

// check wants a finding's id and words that its message has, or none.
func check(t *testing.T, name string, got *finding.Finding, want string) {
	t.Helper()
	id, words, _ := strings.Cut(want, " ")
	switch {
	case got == nil && want != "":
		t.Errorf("%s: nothing found, want %s", name, want)
	case got != nil && (got.ID != id || !strings.Contains(got.Message, words)):
		t.Errorf("%s: %s %s, want %q", name, got.ID, got.Message, want)
	case got != nil && (got.Fix == "" || !strings.HasSuffix(got.Message, ".")):
		t.Errorf("%s: %+v", name, got)
	}
}

// elfHeader is a program of a machine, without anything in it.
func elfHeader(m elf.Machine) string {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(head[16:], uint16(elf.ET_EXEC))
	binary.LittleEndian.PutUint16(head[18:], uint16(m))
	binary.LittleEndian.PutUint32(head[20:], 1)
	binary.LittleEndian.PutUint16(head[52:], 64)
	return string(head)
}

// TestLaunchAs: what refuses is named, a directory, a program or an interpreter.
func TestLaunchAs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can try as another user")
	}
	dir, err := os.MkdirTemp("/var/lib", "launch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open/right", "#!/bin/sh\n", 0o755)
	write("open/private", "#!/bin/sh\n", 0o700)
	write("open/blind", "#!/bin/sh\n", 0o711)
	write("closed/sh", "#!/bin/sh\n", 0o755)
	write("open/by-closed", "#!"+dir+"/closed/sh\n", 0o755)
	if err := os.Symlink(dir+"/closed/sh", dir+"/open/linked"); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{"": 0o755, "closed": 0o700} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	nobody := access.Credentials{UID: 65534, GID: 65534}
	for name, want := range map[string]string{
		"open/right": "", "open/private": "command-not-executable u cannot execute " + dir + "/open/private (0700", "open/blind": "command-not-executable cannot read",
		"closed/sh": "command-not-executable the directory " + dir + "/closed (0700", "open/by-closed": "command-not-executable the directory " + dir + "/closed",
		"open/linked": "command-not-executable the directory " + dir + "/closed",
	} {
		check(t, name, launch{argv: []string{filepath.Join(dir, name)}, directory: "/", user: "u", who: &nobody}.problem(), want)
	}
}

// TestLaunchHidden: what the sandbox hides is found through links and first lines.
func TestLaunchHidden(t *testing.T) {
	dir := t.TempDir() // stands for a home: hidden by a directive of its own
	open := t.TempDir()
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(from, to string) {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	write(dir+"/program", "#!/bin/sh\n")
	link(dir+"/sh", "/bin/sh")
	write(open+"/venv", "#!"+dir+"/sh\n")
	write(open+"/by-env", "#!/usr/bin/env program\n")
	link(open+"/linked", dir+"/program")
	link(open+"/reached", dir)
	write(open+"/right", "#!/bin/sh\n")
	directives, err := units.Read([]byte("[Service]\nInaccessiblePaths=" + dir + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		argv            []string
		directory, want string
	}{
		{[]string{open + "/right"}, "/", ""},
		{[]string{open + "/right", "x", "/nowhere"}, "/", ""},
		{[]string{dir + "/program"}, "/", "sandbox-hides InaccessiblePaths=" + dir},
		{[]string{open + "/venv"}, "/", "sandbox-hides which the first line of " + open + "/venv names"},
		{[]string{open + "/linked"}, "/", "sandbox-hides on the way to"},
		{[]string{open + "/reached/program"}, "/", "sandbox-hides on the way to"},
		{[]string{open + "/by-env"}, "/", "sandbox-hides program"},
		{[]string{"/bin/sh", dir + "/program"}, "/", "sandbox-hides which its command names"},
		{[]string{open + "/right"}, dir, "sandbox-hides its working directory"},
	} {
		l := launch{argv: test.argv, directory: test.directory, path: dir, mounts: units.MountsOf(directives), loosen: func(d string) string { return d }}
		check(t, strings.Join(test.argv, " "), l.problem(), test.want)
	}
}

// TestFormats: a format that is registered with the kernel is executed.
func TestFormats(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"qemu": "enabled\ninterpreter /usr/bin/qemu\nflags: \noffset 0\nmagic 7f454c46020100\nmask ffffffffffff00\n",
		"wine": "enabled\ninterpreter /usr/bin/wine\nflags: \nextension .exe\n", "off": "disabled\ninterpreter /x\noffset 0\nmagic 00\n", "status": "enabled\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for head, want := range map[string]bool{"\x7fELF\x02\x01\x05": true, "\x7fELF\x02\x02\x05": false, "\x7fELF": false, "\x00": false, "": false} {
		if got := registered(dir, "/x", []byte(head)); got != want {
			t.Errorf("%q: %v, want %v", head, got, want)
		}
	}
	if !registered(dir, "/srv/x.exe", []byte("MZ")) {
		t.Error("an extension is not found")
	}
}
