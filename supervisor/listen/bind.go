package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// A socket's directory may belong to another user, who can swap its entries and
// the directory itself at any moment. So nothing is changed through a path:
// files are held by descriptors, and known to be ours before they are changed.

// entry is a name in a directory that is held open.
type entry struct {
	dir  *os.File
	name string
}

func openEntry(path string) (*entry, error) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	fd, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	return &entry{os.NewFile(uintptr(fd), folder), name}, nil
}

func (e *entry) close() { _ = e.dir.Close() }

// open holds the file, whatever it is, without following a link.
func (e *entry) open() (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := unix.Openat(int(e.dir.Fd()), e.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, st, &os.PathError{Op: "open", Path: e.path(), Err: err}
	}
	f := os.NewFile(uintptr(fd), e.path())
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, st, errors.Join(&os.PathError{Op: "stat", Path: e.path(), Err: err}, f.Close())
	}
	return f, st, nil
}

func (e *entry) path() string { return filepath.Join(e.dir.Name(), e.name) }

// remove removes the name if it still leads to the file.
func (e *entry) remove(dev, ino uint64) error {
	var st unix.Stat_t
	err := unix.Fstatat(int(e.dir.Fd()), e.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) || err == nil && (st.Dev != dev || st.Ino != ino) {
		return nil // gone, or replaced
	}
	if err == nil {
		err = unix.Unlinkat(int(e.dir.Fd()), e.name, 0)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: e.path(), Err: err}
	}
	return nil
}

// through is a path to a file that a descriptor holds, wherever it is by now.
func through(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// ownership is who may use a socket file; -1 leaves an owner as it is.
type ownership struct {
	uid, gid int
	mode     os.FileMode
}

// socketOwnership looks up what is configured.
func socketOwnership(opt fcgisup.Socket) (ownership, error) {
	uid, gid, err := owners(opt)
	return ownership{uid, gid, opt.Mode}, err
}

// bindUnix makes a socket that listens at path. Only its maker can connect
// before it has its owner and mode.
func bindUnix(path string, backlog int, o ownership) (*Socket, error) {
	e, err := openEntry(path)
	if err != nil {
		return nil, err
	}
	defer e.close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), path)
	// The socket's own mode, less the umask, is that of the file that bind makes.
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return nil, errors.Join(os.NewSyscallError("fchmod", err), f.Close())
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), f.Close())
	}
	s, err := listening(f, backlog, nil)
	if err != nil {
		return nil, err // the file stays, and is stale
	}
	if s.bound, err = setOwnership(s.Listener(), path, e, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

var errSwapped = errors.New("another user has replaced the socket's file or directory")

// setOwnership gives the file of a socket its owner and mode.
func setOwnership(l *scoreboard.Listener, path string, e *entry, o ownership) (*BoundFile, error) {
	f, st, err := e.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ours, err := l.IsFile(path, &st)
	if errors.Is(err, scoreboard.ErrUnsupported) {
		// No netlink here. A file that we do not own cannot be linked here by others.
		ours, err = st.Mode&unix.S_IFMT == unix.S_IFSOCK && int(st.Uid) == os.Geteuid() && st.Nlink == 1, nil
	}
	if err != nil {
		return nil, err
	}
	if !ours {
		return nil, errSwapped
	}
	b := &BoundFile{Path: path, Dev: st.Dev, Ino: st.Ino}
	if o.uid >= 0 || o.gid >= 0 {
		if err := unix.Fchownat(int(f.Fd()), "", o.uid, o.gid, unix.AT_EMPTY_PATH); err != nil {
			return b, &os.PathError{Op: "chown", Path: path, Err: err}
		}
	}
	if err := os.Chmod(through(f), o.mode); err != nil {
		return b, fmt.Errorf("cannot set the mode of %s: %w", path, errors.Unwrap(err))
	}
	return b, nil
}

// controlListener removes its file when it is closed, if it is still there.
type controlListener struct {
	net.Listener
	remove func() error
}

func (l controlListener) Close() error { return errors.Join(l.remove(), l.Listener.Close()) }

// controlBacklog is the queue of a control socket, as package net has it.
const controlBacklog = 4096

// netListener makes one of package net of a socket of ours.
func netListener(s *Socket) (net.Listener, error) {
	// It takes a duplicate.
	l, err := net.FileListener(s.file)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	remove := sync.OnceValue(s.unlink)
	_ = s.Listener().Close()
	if err := s.file.Close(); err != nil {
		return nil, errors.Join(err, l.Close(), remove())
	}
	return controlListener{l, remove}, nil
}
