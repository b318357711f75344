package doctor

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// What is printed to be pasted is configuration that takes the findings away.
func TestNeedsCanBePasted(t *testing.T) {
	needs := sandboxNeeds{
		user: "rt", helpers: []string{"/usr/sbin/postdrop (set-group-ID postdrop)"}, protected: []string{"/etc/rt", "/etc/a b"},
		writable: []string{"/var/lib/rt"}, home: "/home/rt", temporary: []string{"/tmp/.s.PGSQL.5432"},
	}
	for _, tc := range []struct {
		name   string
		change func(*sandboxNeeds)
		want   int // configurations
	}{
		{"all", func(*sandboxNeeds) {}, 2},
		{"no helpers", func(n *sandboxNeeds) { n.helpers = nil }, 1},
		{"nothing", func(n *sandboxNeeds) { *n = sandboxNeeds{user: "rt"} }, 1},
	} {
		n := needs
		tc.change(&n)
		app := fcgisup.Default("rt")
		app.Command, app.User = []string{"/bin/rt"}, "rt"
		parts := strings.Split(n.paste(app), "# else\n")
		if len(parts) != tc.want {
			t.Errorf("%s: %q", tc.name, parts)
		}
		for _, part := range parts {
			var indented strings.Builder
			for line := range strings.Lines("command: /bin/rt\nuser: rt\n" + part) {
				indented.WriteString("    " + line)
			}
			path := filepath.Join(t.TempDir(), "fcgisup.yaml")
			if err := os.WriteFile(path, []byte("apps:\n  rt:\n"+indented.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			cfg, err := fcgisup.Load(path)
			if err != nil {
				t.Fatalf("%s: %v\n%s", tc.name, err, part)
			}
			pasted := cfg.Apps[0]
			if pasted.Systemd.Sandbox == fcgisup.Strict {
				n.helpers = nil // those are for basic
			}
			pasted.Systemd.Sandbox = fcgisup.Strict
			n := n
			if len(parts) == 2 && strings.Contains(part, "basic") {
				n.helpers, n.home = nil, ""
			}
			n.protected = slices.DeleteFunc(slices.Clone(n.protected), func(p string) bool { return strings.Contains(p, " ") })
			if left := n.strictTakes(pasted); left != "" {
				t.Errorf("%s: after pasting, %s\n%s", tc.name, left, part)
			}
		}
	}
	var parsed map[string]any
	if err := yaml.Unmarshal([]byte(needs.paste(fcgisup.App{Name: "rt"})[strings.LastIndex(needs.paste(fcgisup.App{Name: "rt"}), "systemd:"):]), &parsed); err != nil {
		t.Error(err)
	}
}

func TestStrictTakes(t *testing.T) {
	app := fcgisup.Default("rt")
	n := sandboxNeeds{helpers: []string{"/a", "/b", "/c", "/d"}, protected: []string{"/etc/rt/x"}, home: "/home/rt"}
	if got := n.strictTakes(app); got != "" {
		t.Errorf("basic: %s", got)
	}
	app.Systemd.Sandbox = fcgisup.Strict
	want := "sandbox: strict forbids it set-user-ID and set-group-ID programs (/a, /b, /c and 1 more); writing to directories of its user (/etc/rt/x); its user's home (/home/rt)"
	if got := n.strictTakes(app); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	app.Systemd.Service = map[string][]string{"ReadWritePaths": {"-/etc/rt"}, "ProtectHome": {"no"}}
	n.helpers = nil
	if got := n.strictTakes(app); got != "" {
		t.Errorf("all is given back: %s", got)
	}
}

// A search finds what gives power and what the user may write, and leaves the rest.
func TestSearch(t *testing.T) {
	if !term.IsRoot() {
		t.Skip("only root can make files of others")
	}
	const user, other = 4711, 4712
	root := t.TempDir()
	make := func(name string, mode fs.FileMode, uid, gid int) {
		t.Helper()
		path := filepath.Join(root, name)
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, nil, 0o755)
		}
		if err == nil {
			err = os.Chown(path, uid, gid)
		}
		if err == nil {
			err = os.Chmod(path, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	make("bin/", 0o755, 0, 0)
	make("bin/wrapper", 0o755|fs.ModeSetuid, other, 0)
	make("bin/drop", 0o755|fs.ModeSetgid, 0, other)
	make("bin/passwd", 0o755|fs.ModeSetuid, 0, 0) // ordinary
	make("bin/own", 0o755|fs.ModeSetuid, user, 0) // gives nothing
	make("bin/secret", 0o750|fs.ModeSetuid, 0, 0) // not for this user
	make("bin/plain", 0o755, 0, 0)
	make("data/", 0o755, user, 0)
	make("data/deeper/", 0o755, user, 0)
	make("shared/", 0o775, 0, user)
	make("foreign/", 0o755, other, 0)
	make("everybody/", 0o777|fs.ModeSticky, 0, 0)
	s := &search{ctx: context.Background(), who: access.Credentials{UID: user, GID: user}, seen: map[string]bool{}}
	s.look(root, searchDepth)
	s.look(root, searchDepth) // finds nothing twice
	if want := []string{root + "/bin/drop (set-group-ID 4712)", root + "/bin/wrapper (set-user-ID 4712)"}; !slices.Equal(s.helpers, want) {
		t.Errorf("helpers %q, want %q", s.helpers, want)
	}
	if want := []string{root + "/data", root + "/shared"}; !slices.Equal(s.writable, want) {
		t.Errorf("writable %q, want %q", s.writable, want)
	}
}

func TestMissingPaths(t *testing.T) {
	app := fcgisup.Default("x")
	dir := t.TempDir()
	app.Systemd.Service = map[string][]string{
		"ReadWritePaths": {dir + " " + dir + "/gone", "-" + dir + "/may-be", "%S/x"}, "BindPaths": {"+" + dir + "/src:/dst"},
	}
	got := missingPaths(app)
	want := []configured{{"systemd.service.ReadWritePaths", dir + "/gone"}, {"systemd.service.BindPaths", dir + "/src"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
