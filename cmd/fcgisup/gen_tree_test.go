package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const treeConfig = `apps:
  rt: {command: /x, instances: 5, listen: "127.0.0.1:9100"}
  rt-2: {command: /x, instances: 9, listen: "127.0.0.1:9200"}
`

// reportOf is gen's report with the folder left out.
func reportOf(t *testing.T, dir string, args ...string) map[string]string {
	t.Helper()
	report := map[string]string{}
	for line := range strings.Lines(gen(t, append(args, "--out", dir)...)) {
		fields := strings.Fields(line)
		path, err := filepath.Rel(dir, fields[1])
		if len(fields) != 2 || err != nil {
			t.Fatalf("line %q, %v", line, err)
		}
		report[path] = fields[0]
	}
	return report
}

// only keeps the entries of a report that are not unchanged.
func only(report map[string]string) map[string]string {
	rest := map[string]string{}
	for path, verb := range report {
		if verb != "unchanged" {
			rest[path] = verb
		}
	}
	return rest
}

func TestGenOut(t *testing.T) {
	emptyFolder(t)
	writeFile(t, "fcgisup.yaml", treeConfig)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	for path, verb := range reportOf(t, dir) {
		if verb != "created" {
			t.Errorf("first: %s is %s", path, verb)
		}
	}
	for path := range tree(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	before := mtimes(t, dir)
	if got := only(reportOf(t, dir)); len(got) != 0 {
		t.Errorf("nothing is new, yet %v", got)
	}
	if diff := cmp.Diff(before, mtimes(t, dir)); diff != "" {
		t.Errorf("files were touched:\n%s", diff)
	}

	writeFile(t, filepath.Join(dir, "systemd/rt-fastcgi@.socket"), "by hand\n")
	if diff := cmp.Diff(map[string]string{"systemd/rt-fastcgi@.socket": "changed"}, only(reportOf(t, dir))); diff != "" {
		t.Errorf("after an edit (-want +got):\n%s", diff)
	}
	if left, err := filepath.Glob(dir + "/*/.*"); err != nil || len(left) != 0 {
		t.Errorf("temporary files left: %q, %v", left, err)
	}
}

// TestGenStale: files of instances that are no more go, but only our own, and only the app's.
func TestGenStale(t *testing.T) {
	emptyFolder(t)
	writeFile(t, "fcgisup.yaml", treeConfig)
	dir := t.TempDir()
	gen(t, "--out", dir)
	writeFile(t, dir+"/systemd/rt-fastcgi@4.socket.d/mine.conf", "[Socket]\n")
	writeFile(t, dir+"/systemd/rt-fastcgi@5.socket.d/listen.conf", "[Socket]\nListenStream=1\n")
	writeFile(t, "fcgisup.yaml", strings.Replace(treeConfig, "instances: 5", "instances: 2", 1))

	if got := fcgisupRun("gen", "nginx", "rt", "--out", dir, "--check"); strings.Contains(got.out, "systemd") {
		t.Errorf("gen nginx looks at units:\n%s", got.out)
	}
	got := fcgisupRun("gen", "rt", "--out", dir, "--check")
	if got.code != exitFail || !strings.Contains(got.out, "--- "+dir+"/systemd/rt-fastcgi@3.socket.d/listen.conf\n+++ /dev/null\n") {
		t.Errorf("--check: exit %d\n%s", got.code, got.out)
	}
	want := map[string]string{
		"nginx/rt-upstream.conf":                    "changed",
		"systemd/rt-fastcgi.target":                 "changed",
		"systemd/rt-fastcgi@3.socket.d/listen.conf": "removed",
		"systemd/rt-fastcgi@4.socket.d/listen.conf": "removed",
	}
	if diff := cmp.Diff(want, only(reportOf(t, dir, "rt"))); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	files := tree(t, dir)
	for path, want := range map[string]bool{
		"systemd/rt-fastcgi@3.socket.d/listen.conf":   false,
		"systemd/rt-fastcgi@4.socket.d/mine.conf":     true,
		"systemd/rt-fastcgi@5.socket.d/listen.conf":   true,
		"systemd/rt-2-fastcgi@9.socket.d/listen.conf": true,
	} {
		if _, ok := files[path]; ok != want {
			t.Errorf("%s exists: %v, want %v", path, ok, want)
		}
	}
	if _, err := os.Stat(dir + "/systemd/rt-fastcgi@3.socket.d"); !os.IsNotExist(err) {
		t.Errorf("the drop-in's folder is left: %v", err)
	}
	if got := fcgisupRun("gen", "rt", "--out", dir, "--check"); got.code != exitDone || got.out != "" {
		t.Errorf("--check after --out: exit %d\n%s", got.code, got.out)
	}
}

func TestGenCheck(t *testing.T) {
	emptyFolder(t)
	writeFile(t, "fcgisup.yaml", "apps: {rt: {command: /x}}\n")
	dir := t.TempDir()
	got := fcgisupRun("gen", "--check", "--out", dir)
	if got.code != exitFail || strings.Count(got.out, "--- /dev/null\n") != 5 || len(tree(t, dir)) != 0 {
		t.Errorf("nothing there: exit %d, files %v\n%s", got.code, tree(t, dir), got.out)
	}
	gen(t, "--out", dir)
	place := dir + "/systemd/rt-fastcgi@.socket"
	data, err := os.ReadFile(place)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, place, strings.Replace(string(data), "Backlog=4096", "Backlog=1", 1))
	before := tree(t, dir)
	got = fcgisupRun("gen", "rt", "--check", "--out", dir)
	if got.code != exitFail || got.err != "" || !strings.Contains(got.out, "\n-Backlog=1\n+Backlog=4096\n") {
		t.Errorf("drift: exit %d, %q\n%s", got.code, got.err, got.out)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("--check wrote:\n%s", diff)
	}
	if got := fcgisupRun("gen", "nginx", "--check", "--out", dir); got.code != exitDone {
		t.Errorf("the nginx files are as they should be, yet exit %d\n%s", got.code, got.out)
	}
}

func TestInstalled(t *testing.T) {
	for name, want := range map[string]string{
		"systemd/a-fastcgi@.socket":                "/etc/systemd/system/a-fastcgi@.socket",
		"systemd/a-fastcgi@1.socket.d/listen.conf": "/etc/systemd/system/a-fastcgi@1.socket.d/listen.conf",
		"nginx/a-upstream.conf":                    "/etc/nginx/conf.d/a-upstream.conf",
		"nginx/a-location.conf":                    "/etc/nginx/snippets/a-location.conf",
	} {
		if got := installed(name); got != want {
			t.Errorf("%s belongs to %s, want %s", name, got, want)
		}
	}
}

// TestReplaceFile: a failure leaves the old file and nothing else.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/taken", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(dir+"/taken", []byte("x"), 0o644); err == nil {
		t.Error("a folder was replaced")
	}
	if files := tree(t, dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}
