package worker

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpawnFailureNamesTheObstacle: beside the kernel's error, the message names the file that it is about.
func TestSpawnFailureNamesTheObstacle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for p := dir; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name, content string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = "#!/bin/sh\n"
	closed := file("closed/app", good, 0o755)
	if err := os.Chmod(filepath.Dir(closed), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/nowhere/app", link); err != nil {
		t.Fatal(err)
	}
	through := filepath.Join(dir, "through")
	if err := os.Symlink(closed, through); err != nil {
		t.Fatal(err)
	}
	interpreter := file("interpreter", "#!/bin/sh\n", 0o644)

	// As another user's, so that root's test sees what is refused to it.
	launch := Launch{Switch: os.Geteuid() == 0, UID: 65534, GID: 65534}
	for name, c := range map[string]struct {
		program, dir string
		err          error
		want         string
	}{
		"directory closed":       {program: closed, err: unix.EACCES, want: "may not search the directory " + filepath.Dir(closed) + " (0700 "},
		"closed behind a link":   {program: through, err: unix.EACCES, want: "may not search the directory " + filepath.Dir(closed)},
		"directory missing":      {program: dir + "/none/app", err: unix.ENOENT, want: dir + "/none does not exist"},
		"working directory":      {program: "/bin/sh", dir: dir + "/none", err: unix.ENOENT, want: dir + "/none does not exist: it is the working directory"},
		"program missing":        {program: dir + "/none", err: unix.ENOENT, want: dir + "/none does not exist"},
		"link to nothing":        {program: link, err: unix.ENOENT, want: link + " is a link to /nowhere/app, which does not exist"},
		"not executable":         {program: file("plain", good, 0o644), err: unix.EACCES, want: "may not execute " + dir + "/plain (0644 "},
		"relative":               {program: "plain", dir: dir, err: unix.EACCES, want: "may not execute " + dir + "/plain (0644 "},
		"a directory":            {program: dir, err: unix.EACCES, want: dir + " is a directory"},
		"interpreter missing":    {program: file("a", "#! /usr/bin/nope -w\n", 0o755), err: unix.ENOENT, want: "the first line of " + dir + "/a names an interpreter: /usr/bin/nope does not exist"},
		"interpreter with CR":    {program: file("b", "#!/bin/sh\r\n", 0o755), err: unix.ENOENT, want: "the first line of " + dir + `/b ends in CR LF, so its interpreter is "/bin/sh\r"`},
		"interpreter forbidden":  {program: file("c", "#!"+interpreter+"\n", 0o755), err: unix.EACCES, want: "the first line of " + dir + "/c names an interpreter: user "},
		"neither script nor ELF": {program: file("d", "print 1\n", 0o755), err: unix.ENOEXEC, want: dir + "/d neither begins with #!"},
		"foreign loader":         {program: file("e", foreignBinary, 0o755), err: unix.ENOENT, want: dir + "/e needs the loader /lib/ld-other.so.1, which does not exist"},
		"no user":                {program: "/bin/sh", err: unix.EPERM},
		"no memory":              {program: "/bin/sh", err: unix.ENOMEM},
		"nothing found":          {program: "/bin/sh", err: unix.EACCES},
	} {
		l := launch
		l.Argv, l.Dir = []string{c.program}, c.dir
		if got := l.obstacle(c.err); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if os.Geteuid() == 0 {
		launch.Switch = false
		if launch.Argv = []string{closed}; launch.obstacle(unix.EACCES) != "" {
			t.Errorf("root is refused: %q", launch.obstacle(unix.EACCES))
		}
	}
}

// foreignBinary is the least of an ELF file that names a loader.
var foreignBinary = func() string {
	const headers, name = 64 + 56, "/lib/ld-other.so.1\x00"
	b := make([]byte, headers)
	copy(b, "\x7fELF\x02\x01\x01")
	put := func(at int, bytes ...byte) { copy(b[at:], bytes) }
	put(16, 2, 0, 62, 0, 1) // executable, x86-64, version
	put(32, 64)             // program headers
	put(52, 64, 0, 56, 0, 1)
	put(64, 3)       // PT_INTERP
	put(72, headers) // where
	put(96, byte(len(name)))
	put(104, byte(len(name)))
	return string(b) + name
}()
