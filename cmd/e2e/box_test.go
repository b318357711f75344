package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	boxes "github.com/fcgisup/fcgisup/cmd/internal/box"
)

// box is a machine inside this one, in a test's words: what must succeed in it fails the test otherwise.
type box struct {
	*boxes.Box
	systemd *manager
}

// newBox boots a box and ends it with the test. Several subtests may share one, with apps of different names.
func newBox(t *testing.T) *box {
	t.Helper()
	return bootBox(t, boxes.Boot)
}

// newWholeBox is for programs whose packages bring units or init scripts that they need.
func newWholeBox(t *testing.T) *box {
	t.Helper()
	return bootBox(t, boxes.BootWhole)
}

func bootBox(t *testing.T, boot func(context.Context) (*boxes.Box, error)) *box {
	t.Helper()
	needBox(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	b, err := boot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	systemd := &manager{address: b.Path("/run/dbus/system_bus_socket")}
	t.Cleanup(func() {
		systemd.close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return &box{b, systemd}
}

// needBox skips where a box cannot be had, but not in CI: there these tests must run.
func needBox(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for namespaces and systemd")
	}
	if testing.Short() {
		t.Skip("boots systemd; skipped by -short")
	}
	needFiles(t, boxes.Files...)
	needFiles(t, "/usr/sbin/nginx", "/usr/bin/perl")
}

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
