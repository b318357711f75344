package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
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

// within waits until check has no complaint.
func within(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %v", limit, err)
		}
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

// applyConfig is the configuration of the app "web" with so many instances; more are further keys of it.
func applyConfig(instances int, more ...string) string {
	keys := append([]string{
		"command: [/opt/apps/web.pl]", "user: www-data", "group: www-data", "listen: /run/web%i.sock",
		"health: {path: /, interval: 500ms}", "limits: {stop_timeout: 10s}", fmt.Sprintf("instances: %d", instances),
	}, more...)
	return "apps:\n  web:\n    " + strings.Join(keys, "\n    ") + "\n"
}
