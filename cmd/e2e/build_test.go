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

// built is a program that is built once for all tests and kept as an open file without a name, so that nothing is left
// behind whichever test was the last to need it.
func built(build func(output string) error) func() (*os.File, error) {
	return sync.OnceValues(func() (*os.File, error) {
		dir, err := os.MkdirTemp("", "fcgisup-build-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		output := filepath.Join(dir, "program")
		if err := build(output); err != nil {
			return nil, err
		}
		return os.Open(output)
	})
}

var (
	// Its version is that of the package to which TestPackage upgrades, and which has this program.
	builtFcgisup = built(func(output string) error { return goBuild(output, "../fcgisup", "-X main.version="+packageAfter) })
	builtGo      = built(func(output string) error { return goBuild(output, filepath.Join(appsDir, "hello-go"), "") })
	builtC       = built(func(output string) error {
		cc := exec.Command("cc", "-Wall", "-Werror", "-O1", "-o", output, filepath.Join(appsDir, "hello.c"), "-lfcgi")
		cc.Stderr = os.Stderr
		return cc.Run()
	})
)

// procPath is a built program as the same file for all tests: for those that neither replace it nor look at its name.
func procPath(t *testing.T, program func() (*os.File, error)) string {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatalf("cannot build it: %v", err)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
}

// copyBuilt has another process write the file: a descriptor of ours, inherited for a moment by what a parallel test
// forks, would make it busy to execve(2).
func copyBuilt(t *testing.T, program func() (*os.File, error), path string) {
	t.Helper()
	if out, err := exec.Command("install", "-m", "755", procPath(t, program), path).CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
}

// goBuild builds as make build does, so that both share what is compiled, but for the revision: git refuses to tell it when
// the checkout belongs to another user.
func goBuild(output, pkg, ldflags string) error {
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w "+ldflags, "-o", output, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
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

func copyFcgisup(t *testing.T, path string) {
	t.Helper()
	copyBuilt(t, builtFcgisup, path)
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
	copyBuilt(t, builtC, path)
	return path
}

func compiledGo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hello-go")
	copyBuilt(t, builtGo, path)
	return path
}
