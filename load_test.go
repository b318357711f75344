package fcgisup

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// TestFindFromAForbiddenFolder: what may not be searched holds no configuration.
func TestFindFromAForbiddenFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the user of files is a thread's
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 { // whom no mode keeps out
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	path, _, err := Find("", func(string) string { return "" })
	if err != nil && !errors.Is(err, ErrNoConfig) || err == nil && path != SystemConfig {
		t.Errorf("%q, %v", path, err)
	}
}

// TestFindAsRoot: a file in the working directory counts for root only if no other user can change it.
func TestFindAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs files of root; run as root")
	}
	none := func(string) string { return "" }
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile(LocalConfig, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if path, skipped, err := find("", none, 0); path != LocalConfig || skipped != nil || err != nil {
		t.Errorf("%q, %v, %v", path, skipped, err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	path, skipped, err := find("", none, 0)
	if skipped == nil || path == LocalConfig || path == "" && !errors.Is(err, skipped) {
		t.Errorf("%q, %v, %v", path, skipped, err)
	}
	if path, skipped, err := find("", none, 65534); path != LocalConfig || skipped != nil || err != nil { // their own
		t.Errorf("%q, %v, %v", path, skipped, err)
	}
	if path, skipped, err := find("./"+LocalConfig, none, 0); path != "./"+LocalConfig || skipped != nil || err != nil {
		t.Errorf("%q, %v, %v", path, skipped, err)
	}
}
