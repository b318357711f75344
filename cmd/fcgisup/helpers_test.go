package main

import (
	"net"
	"os"
	"testing"
)

// needFiles skips the test when one of the files is missing, and fails it in CI.
func needFiles(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("%s is missing: run testdata/install-deps", file)
		}
		t.Skipf("%s is missing: run testdata/install-deps", file)
	}
}

// busyAddress is one that is taken until the test ends.
func busyAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
