package main

import (
	"bytes"
	"context"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

var update = flag.Bool("update", false, "write testdata/cases again")

// eachCase runs a test for every case of testdata/cases, in its directory.
func eachCase(t *testing.T, test func(t *testing.T, name string)) {
	t.Helper()
	stories, err := filepath.Glob("../../testdata/cases/*/fcgisup.yaml")
	if err != nil || len(stories) < 10 {
		t.Fatalf("found %d stories, %v", len(stories), err)
	}
	for _, story := range stories {
		folder, err := filepath.Abs(filepath.Dir(story))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Chdir(folder)
			t.Setenv(fcgisup.EnvConfig, "")
			test(t, filepath.Base(folder))
		})
	}
}

// output is what a run of the program gave.
type output struct {
	out, err string
	code     int
}

func fcgisupRun(args ...string) output {
	var out, err bytes.Buffer
	code := run(context.Background(), args, stdio{strings.NewReader(""), &out, &err})
	return output{out.String(), err.String(), code}
}

func gen(t *testing.T, args ...string) string {
	t.Helper()
	got := fcgisupRun(append([]string{"gen"}, args...)...)
	if got.code != term.ExitDone {
		t.Fatalf("gen %q: exit %d\n%s%s", args, got.code, got.out, got.err)
	}
	return got.out
}

// tree returns every file below a directory.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCases(t *testing.T) {
	eachCase(t, func(t *testing.T, _ string) {
		if *update {
			for _, old := range append([]string{"systemd", "nginx"}, otherKinds()...) {
				if err := os.RemoveAll(old); err != nil {
					t.Fatal(err)
				}
			}
			gen(t, "--out", ".")
			genOthers(t, ".")
		}
		dir := t.TempDir()
		gen(t, "--out", dir)
		genOthers(t, dir)
		want := tree(t, ".")
		delete(want, "fcgisup.yaml")
		if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
			t.Errorf("not as in testdata (-want +got); go test -update writes it again:\n%s", diff)
		}
		if got := fcgisupRun("gen", "--check", "--out", "."); got.code != term.ExitDone || got.out != "" {
			t.Errorf("gen --check: exit %d\n%s", got.code, got.out)
		}
	})
}

// systemdCase renders a story with a program that exists, and names its units: one of each kind.
func systemdCase(t *testing.T) (dir string, units []string) {
	t.Helper()
	needFiles(t, "/usr/bin/systemd-analyze")
	dir = t.TempDir()
	gen(t, "units", "--out", dir, "--binary", "/usr/bin/env")
	dir = filepath.Join(dir, "systemd")
	files, err := filepath.Glob(dir + "/*-fastcgi*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, ".d") {
			units = append(units, "./"+strings.Replace(filepath.Base(file), "@.", "@1.", 1))
		}
	}
	return dir, units
}

// TestCasesVerify asserts on what systemd-analyze prints: it exits 0 on unknown
// keys, and complains of units that are not ours.
func TestCasesVerify(t *testing.T) {
	eachCase(t, func(t *testing.T, _ string) {
		dir, units := systemdCase(t)
		for line := range strings.Lines(analyze(t, dir, append([]string{"verify", "--man=no"}, units...)...)) {
			if strings.Contains(line, "-fastcgi") {
				t.Error(strings.TrimSpace(line))
			}
		}
	})
}

// TestVerifyCanFail shows that the assertion above would notice.
func TestVerifyCanFail(t *testing.T) {
	needFiles(t, "/usr/bin/systemd-analyze")
	dir := t.TempDir()
	unit := "[Service]\nExecStart=/bin/true\nNoSuchKey=1\n"
	if err := os.WriteFile(filepath.Join(dir, "x-fastcgi@.service"), []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := analyze(t, dir, "verify", "--man=no", "./x-fastcgi@1.service"); !strings.Contains(out, "x-fastcgi") {
		t.Errorf("no complaint of an unknown key: %q", out)
	}
}

// maxExposure is the worst rating that a service may get under sandbox: strict; 10 is the worst there is.
const maxExposure = 2.0

var caseExposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

func TestCasesSecurity(t *testing.T) {
	eachCase(t, func(t *testing.T, name string) {
		open := name != "sandbox-strict" // asks for less, and the rating shows it
		dir, units := systemdCase(t)
		for _, unit := range units {
			if !strings.HasSuffix(unit, "@1.service") {
				continue
			}
			out := analyze(t, dir, "security", "--offline=true", "--no-pager", strings.Replace(unit, "@1.", "@.", 1))
			found := caseExposure.FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("no rating of %s:\n%s", unit, out)
			}
			if level, err := strconv.ParseFloat(found[1], 64); err != nil || (level > maxExposure) != open {
				t.Errorf("%s is rated %s; above %v: want %t\n%s", unit, found[1], maxExposure, open, out)
			} else {
				t.Logf("%s is rated %s", unit, found[1])
			}
		}
	})
}

func analyze(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("systemd-analyze", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestCasesNginx(t *testing.T) {
	needFiles(t, "/usr/sbin/nginx")
	eachCase(t, func(t *testing.T, _ string) {
		dir := t.TempDir()
		gen(t, "nginx", "--out", dir)
		nginxTest(t, dir)
	})
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// nginxTest lets nginx read what is in dir/nginx as a site.
func nginxTest(t *testing.T, dir string) {
	t.Helper()
	config := `pid ` + dir + `/pid;
error_log stderr;
events {}
http {
	access_log off;
	include ` + dir + `/nginx/*-upstream.conf;
	server {
		listen unix:` + dir + `/s;
		include ` + dir + `/nginx/*-location.conf;
	}
}
`
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/sbin/nginx", "-t", "-e", "stderr", "-c", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "[warn]") {
		t.Errorf("nginx -t: %v\n%s", err, out)
	}
}
