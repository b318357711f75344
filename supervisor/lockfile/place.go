package lockfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// rootDir is root's, and no other user can write to it.
const rootDir = "/run/fcgisup"

// For returns the path of the lock that serialises work on path, which may be in
// a directory that others can write, such as /tmp. The lock is not: no other
// user can make it first, open it or remove it. It is root's own directory; for
// other users the directory of path if only they can write there, else
// /run/user/UID or a directory of theirs below the temporary one or, where others
// have made that first, in their home. All processes
// of a user get the same answer.
func For(path string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("cannot place the lock of %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	place, err := placeFor(dir, os.Geteuid())
	if err != nil {
		return "", fmt.Errorf("cannot place the lock of %s: %w", path, err)
	}
	// The directory by its inode: it may be mounted at several places.
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", st.Dev, st.Ino, filepath.Base(path)))
	return filepath.Join(place, fmt.Sprintf(".%x.lock", sum[:10])), nil
}

func placeFor(dir string, uid int) (string, error) {
	if uid == 0 {
		if err := os.MkdirAll(rootDir, 0o755); err == nil && fcgisup.CheckTrust(rootDir, uid) == nil && writable(rootDir) {
			return rootDir, nil
		}
	}
	if fcgisup.CheckTrust(dir, uid) == nil && writable(dir) {
		return dir, nil
	}
	id := strconv.Itoa(uid)
	if run := "/run/user/" + id; ownDir(run) == nil {
		return run, nil
	}
	return oneOf(os.TempDir(), homeDir(id), id)
}

// oneOf is a directory of the user's own below the temporary one. Where another user has taken that name, it is below
// home, in which no other user can do so.
func oneOf(temporary, home, id string) (string, error) {
	own := filepath.Join(temporary, "fcgisup-"+id)
	err := makeOwn(own)
	if err != nil && home != "" {
		if hidden := filepath.Join(home, ".fcgisup"); makeOwn(hidden) == nil {
			return hidden, nil
		}
	}
	return own, err
}

func makeOwn(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return ownDir(dir)
}

// homeDir is what the user database says, whatever the environment does: all processes of a user get the same answer.
func homeDir(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.HomeDir
	}
	return ""
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

// ownDir accepts a directory that only this user can use.
func ownDir(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a directory", path)
	case st.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("%s belongs to user %d, not to user %d", path, st.Uid, os.Geteuid())
	case st.Mode&0o077 != 0:
		return fmt.Errorf("%s can be used by other users, its mode is %04o", path, st.Mode&0o7777)
	}
	return nil
}
