package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const appsDir = "../../testdata/apps"

// builtFcgisup builds the command once per test run and keeps it as an open file without a name, so nothing is
// left behind whichever test was the last to need it.
var builtFcgisup = sync.OnceValues(func() (*os.File, error) {
	dir, err := os.MkdirTemp("", "fcgisup-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "fcgisup")
	if err := goBuild(path, "../fcgisup"); err != nil {
		return nil, err
	}
	return os.Open(path)
})

// sharedFcgisup is the same file for all tests: for those that neither replace it nor keep it running.
func sharedFcgisup(t *testing.T) string {
	t.Helper()
	built, err := builtFcgisup()
	if err != nil {
		t.Fatalf("cannot build fcgisup: %v", err)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), built.Fd())
}

// goBuild does not stamp the revision: git refuses to tell it when the checkout belongs to another user.
func goBuild(output, pkg string) error {
	build := exec.Command("go", "build", "-buildvcs=false", "-o", output, pkg)
	build.Stderr = os.Stderr
	return build.Run()
}

// fcgisupBinary is the freshly built command, at a path of the test's own.
func fcgisupBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fcgisup")
	copyFcgisup(t, path)
	return path
}

// copyFcgisup has another process write the file: a descriptor of ours, inherited for a moment by what a parallel test
// forks, would make it busy to execve(2).
func copyFcgisup(t *testing.T, path string) {
	t.Helper()
	built, err := builtFcgisup()
	if err != nil {
		t.Fatalf("cannot build fcgisup: %v", err)
	}
	source := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), built.Fd())
	if out, err := exec.Command("install", "-m", "755", source, path).CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
}

// appPath is a program of testdata/apps at an absolute path.
func appPath(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(appsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func compiledC(t *testing.T) string {
	t.Helper()
	needFiles(t, "/usr/bin/cc", "/usr/include/fcgiapp.h")
	path := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.Command("cc", "-Wall", "-Werror", "-O1", "-o", path, appPath(t, "hello.c"), "-lfcgi").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return path
}

func compiledGo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hello-go")
	if err := goBuild(path, filepath.Join(appsDir, "hello-go")); err != nil {
		t.Fatal(err)
	}
	return path
}
