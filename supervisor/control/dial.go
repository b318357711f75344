package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// errNoSocket is a control socket that is something else.
var errNoSocket = errors.New("it is not a socket")

// dialOwned connects to the control socket of a directory below root without
// following links: the directory is its app's user's, whose link would have root
// speak to any socket of the host, and wake what sleeps behind it.
func dialOwned(ctx context.Context, root, folder string) (net.Conn, error) {
	fd := unix.AT_FDCWD
	var is unix.Stat_t
	var owner uint32
	for _, step := range []struct {
		name  string
		flags int
	}{{root, unix.O_DIRECTORY}, {folder, unix.O_DIRECTORY | unix.O_NOFOLLOW}, {ControlName, unix.O_NOFOLLOW}} {
		next, err := unix.Openat(fd, step.name, unix.O_PATH|unix.O_CLOEXEC|step.flags, 0)
		if fd != unix.AT_FDCWD {
			_ = unix.Close(fd)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot open %s: %w", step.name, err)
		}
		fd, owner = next, is.Uid
		if err := unix.Fstat(fd, &is); err != nil {
			_ = unix.Close(fd)
			return nil, os.NewSyscallError("fstat", err)
		}
	}
	defer func() { _ = unix.Close(fd) }()
	if is.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, errNoSocket
	}
	if is.Uid != 0 && is.Uid != owner && int(is.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("it belongs to %s, its directory to %s", fcgisup.UserName(int(is.Uid)), fcgisup.UserName(int(owner)))
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // without a path that is gone with fd
	}
	return conn, err
}

// Root is where systemd makes the instances' runtime directories.
const Root = "/run/fcgisup"
