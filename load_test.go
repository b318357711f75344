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
	path, err := Find("", func(string) string { return "" })
	if err != nil && !errors.Is(err, ErrNoConfig) || err == nil && path != SystemConfig {
		t.Errorf("%q, %v", path, err)
	}
}
