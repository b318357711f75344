package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreachable: the error names the path once and its cause without calls of the system, and a hint says what to do.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("dead"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	for name, want := range map[string]struct{ cause, hint string }{
		"file": {"it is not a socket", "name a control socket, such as /run/fcgisup/APP-1/control.sock"},
		"dead": {"connection refused", "its supervisor has ended"},
		"none": {"no such file or directory", "no supervisor runs there"},
	} {
		_, err := Fetch(t.Context(), nil, at(name))
		var hinted *UnreachableError
		if text := "cannot reach the supervisor at " + at(name) + ": " + want.cause; !errors.As(err, &hinted) || err.Error() != text {
			t.Errorf("%s: %v", name, err)
		} else if !strings.HasPrefix(hinted.Hint(), want.hint) {
			t.Errorf("%s: hint %q", name, hinted.Hint())
		}
	}
	var forbidden, other *UnreachableError
	if !errors.As(unreachable("/x", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", unix.EACCES)}), &forbidden) || forbidden.Error() != "cannot reach the supervisor at /x: permission denied" || !strings.Contains(forbidden.Hint(), "root and the user of the app") {
		t.Errorf("%v, hint %q", forbidden, forbidden.Hint())
	}
	if !errors.As(unreachable("/x", syscall.EIO), &other) || other.Hint() != "" {
		t.Errorf("hint %q", other.Hint())
	}
}
