package fcgi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links path_resolution(7) follows.
const maxLinks = 40

// errForeignLink is a symbolic link that leads to a socket of another user than its own.
var errForeignLink = errors.New("its path leads through a symbolic link of another user")

// dialUnix connects to a unix socket. For root it opens the path itself: a user who
// may write a directory on the way could have root's commands connect, by a symbolic
// link, to sockets that are closed to that user, and wake what sleeps behind them.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	if os.Geteuid() != 0 || !strings.HasPrefix(path, "/") {
		return d.DialContext(ctx, "unix", path)
	}
	fd, err := openSocket(path, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
}

// openSocket opens a socket file with O_PATH. It follows the links of root and of a
// trusted user, and those of another user only to a socket of the same user.
func openSocket(path string, trusted uint32) (int, error) {
	w := walk{trusted: trusted, fd: -1, rest: components(path)}
	if err := w.root(); err != nil {
		return -1, err
	}
	for len(w.rest) > 0 {
		name := w.rest[0]
		w.rest = w.rest[1:]
		if err := w.step(name); err != nil {
			_ = unix.Close(w.fd)
			return -1, err
		}
	}
	for _, owner := range w.owners {
		if owner != w.at.Uid {
			_ = unix.Close(w.fd)
			return -1, fmt.Errorf("%w (user %d): %w", errForeignLink, owner, unix.EPERM)
		}
	}
	return w.fd, nil
}

// walk is a path that is being resolved.
type walk struct {
	trusted uint32
	fd      int
	at      unix.Stat_t // what fd is
	rest    []string
	links   int
	owners  []uint32 // of links that are not trusted
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func (w *walk) root() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return w.move(fd)
}

// move goes on from a descriptor.
func (w *walk) move(fd int) error {
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
	}
	w.fd = fd
	return unix.Fstat(fd, &w.at)
}

func (w *walk) step(name string) error {
	fd, err := unix.Openat(w.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var is unix.Stat_t
	if err := unix.Fstat(fd, &is); err != nil || is.Mode&unix.S_IFMT != unix.S_IFLNK {
		return errors.Join(err, w.move(fd))
	}
	defer func() { _ = unix.Close(fd) }()
	return w.follow(fd, name, is.Uid)
}

// follow continues at what a link names. Those of /proc, such as /proc/PID/root, name
// nothing that could be looked up.
func (w *walk) follow(link int, name string, owner uint32) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	if owner != 0 && owner != w.trusted {
		w.owners = append(w.owners, owner)
	}
	var on unix.Statfs_t
	if err := unix.Fstatfs(link, &on); err != nil {
		return err
	}
	if on.Type == unix.PROC_SUPER_MAGIC {
		fd, err := unix.Openat(w.fd, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return w.move(fd)
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link, "", target)
	if err != nil {
		return err
	}
	to := string(target[:n])
	w.rest = append(components(to), w.rest...)
	if strings.HasPrefix(to, "/") {
		return w.root()
	}
	return nil
}
