package doctor

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestReadRegular: what an app's user can put in place of a file holds no command up.
func TestReadRegular(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, []byte("PATH=/opt/bin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{good: "/opt/bin", pipe: usualPath, "/dev/zero": usualPath, dir: usualPath, filepath.Join(dir, "none"): usualPath} {
		got := make(chan string, 1)
		go func() { got <- pathIn(nil, []string{path}) }()
		select {
		case got := <-got:
			if got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s is waited for", path)
		}
	}
}
