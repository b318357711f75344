package fcgi

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketBehindLinks: root follows its own links, and those of another user only to that user's sockets.
func TestSocketBehindLinks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, who can make links of other users")
	}
	const user, other = 7001, 7002
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	listen := func(name string, uid int) {
		l, err := net.Listen("unix", at(name))
		if err == nil {
			err = os.Chown(at(name), uid, uid)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	link := func(to, name string, uid int) {
		if err := errors.Join(os.Symlink(to, at(name)), os.Lchown(at(name), uid, uid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(at("real"), 0o755); err != nil {
		t.Fatal(err)
	}
	listen("real/root.sock", 0)
	listen("real/user.sock", user)
	link("real", "dir-of-root", 0)
	link(at("real"), "dir-of-user", user)
	link("real/root.sock", "roots-link", 0)
	link("real/root.sock", "users-link", user)
	link("real/user.sock", "users-own", user)
	link("users-own", "others-to-users", other)
	link("users-own", "roots-to-users", 0)
	link("loop", "loop", 0)
	link("nothing", "dangling", user)
	for path, want := range map[string]error{
		"real/root.sock":             nil,
		"real/./../real//root.sock":  nil,
		"dir-of-root/root.sock":      nil,
		"roots-link":                 nil,
		"users-own":                  nil,
		"roots-to-users":             nil,
		"dir-of-user/user.sock":      nil,
		"dir-of-user/../real":        errForeignLink, // a directory of root's
		"dir-of-user/root.sock":      errForeignLink,
		"users-link":                 errForeignLink,
		"others-to-users":            errForeignLink,
		"loop":                       unix.ELOOP,
		"dangling":                   fs.ErrNotExist,
		"real/root.sock/below":       unix.ENOTDIR,
		"real/missing":               fs.ErrNotExist,
		"missing/missing":            fs.ErrNotExist,
		"dir-of-user/../../../../..": errForeignLink,
	} {
		fd, err := openSocket(dir+"/"+path, 0)
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if conn, err := dial(context.Background(), "unix", at("roots-link")); err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	_, err := dial(context.Background(), "unix", at("users-link"))
	if ClassOf(err) != Refused || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	before := openDescriptors(t)
	for range 100 {
		_, _ = dial(context.Background(), "unix", at("users-link"))
		_, _ = dial(context.Background(), "unix", at("loop"))
		_, _ = dial(context.Background(), "unix", at("real/missing"))
	}
	if after := openDescriptors(t); after > before+50 { // other tests run
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func openDescriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
