package deploy

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// controlIn makes a control socket in a directory below root; left leaves only its file.
func controlIn(t *testing.T, root, dir string, left bool) string {
	t.Helper()
	path := filepath.Join(root, dir, control.ControlName)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if left {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = l.Close()
	}
	t.Cleanup(func() { _ = l.Close() })
	return path
}

// TestAbandonedControlSocket: the file of a killed supervisor is not a supervisor.
func TestAbandonedControlSocket(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	left, live := controlIn(t, root, "left-1", true), controlIn(t, root, "live-1", false)
	survey := scoreboard.NewSurvey()
	if !control.Abandoned(peer.ListenersOf(survey), left) || control.Abandoned(peer.ListenersOf(survey), live) {
		t.Errorf("abandoned %v, in use %v", control.Abandoned(peer.ListenersOf(survey), left), !control.Abandoned(peer.ListenersOf(survey), live))
	}
}

// TestClearRuntime: directories of instances that do not exist any more go, of this app only, and not where a supervisor runs.
func TestClearRuntime(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	controlIn(t, root, "web-1", true)
	controlIn(t, root, "web-2", true)
	controlIn(t, root, "web-3", false)
	controlIn(t, root, "webs-9", true)
	controlIn(t, root, "web-old-9", true)
	target := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(root, "web-4")); err != nil {
		t.Fatal(err)
	}
	if err := clearRuntime(root, "web", 1); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"web-1", "web-3", "web-old-9", "webs-9"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
	if _, err := os.Stat(target); err != nil {
		t.Error(err)
	}
}
