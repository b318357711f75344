package main

import (
	"io"
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
	if err := goBuild(path, "."); err != nil {
		return nil, err
	}
	return os.Open(path)
})

// goBuild does not stamp the revision: git refuses to tell it when the checkout belongs to another user.
func goBuild(output, pkg string) error {
	build := exec.Command("go", "build", "-buildvcs=false", "-o", output, pkg)
	build.Stderr = os.Stderr
	return build.Run()
}

// fcgisupBinary is the freshly built command, at a path of the test's own.
func fcgisupBinary(t *testing.T) string {
	t.Helper()
	built, err := builtFcgisup()
	if err != nil {
		t.Fatalf("cannot build fcgisup: %v", err)
	}
	info, err := built.Stat()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fcgisup")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, io.NewSectionReader(built, 0, info.Size()))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
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
