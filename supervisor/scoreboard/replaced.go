package scoreboard

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Replaced reports whether the path the listener was bound to no longer leads to
// it, as seen from this process's mount namespace: the file is gone, or is
// another one. Clients then meet ENOENT or another process. TCP and abstract
// sockets cannot be replaced. The error wraps [ErrUnsupported] when netlink is
// refused or the path is relative.
func (l *Listener) Replaced() (bool, error) {
	if l.domain != unix.AF_UNIX || l.addr.abstract() {
		return false, nil
	}
	replaced, err := l.replaced()
	if err != nil {
		return false, fmt.Errorf("cannot tell whether %s was replaced: %w", l, unsupported(err))
	}
	return replaced, nil
}

func (l *Listener) replaced() (bool, error) {
	if !strings.HasPrefix(l.addr.unix, "/") {
		return false, fmt.Errorf("%w: the path is relative to the directory of the process that bound it", ErrUnsupported)
	}
	l.mu.Lock()
	bound, err := l.boundTo()
	l.mu.Unlock()
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	err = unix.Stat(l.addr.unix, &st)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return true, nil
	case err != nil:
		return false, &os.PathError{Op: "stat", Path: l.addr.unix, Err: err}
	}
	return !bound.is(&st, ownDevices(l.addr.unix)), nil
}

// IsFile returns true if the listener is bound to the file that st describes, which
// was found at path. The error wraps [ErrUnsupported] when netlink is refused.
func (l *Listener) IsFile(path string, st *unix.Stat_t) (bool, error) {
	l.mu.Lock()
	bound, err := l.boundTo()
	l.mu.Unlock()
	if err != nil {
		return false, fmt.Errorf("cannot find the file of %s: %w", l, unsupported(err))
	}
	return bound.is(st, ownDevices(path)), nil
}

// is compares the kernel's idea of a file with stat(2)'s. The device is not
// compared on file systems that show stat(2) devices of their own.
func (f file) is(st *unix.Stat_t, ownDevices bool) bool {
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || f.inode != uint32(st.Ino) {
		return false
	}
	// dev_t inside the kernel: 12 bits of major, 20 of minor (linux/kdev_t.h).
	return ownDevices || f.device == unix.Major(uint64(st.Dev))<<20|unix.Minor(uint64(st.Dev))
}

// ownDevices reports whether path is on a file system whose st_dev is not the
// device of its superblock: btrfs has one per subvolume, overlayfs one per layer.
func ownDevices(path string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil {
		return false
	}
	return fs.Type == unix.BTRFS_SUPER_MAGIC || fs.Type == unix.OVERLAYFS_SUPER_MAGIC
}
