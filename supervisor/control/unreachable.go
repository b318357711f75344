package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// UnreachableError is a supervisor that its control socket does not lead to.
type UnreachableError struct {
	Path  string
	Cause error
}

// Error names the path once.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach the supervisor at %s: %v", e.Path, e.Cause)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Cause }

// Hint is the next step.
func (e *UnreachableError) Hint() string {
	const others = "fcgisup status lists the supervisors of this host"
	switch {
	case errors.Is(e.Cause, fs.ErrPermission):
		return "only root and the user of the app may use the control socket; run the command as one of them"
	case errors.Is(e.Cause, errNoSocket):
		return "name a control socket, such as " + Root + "/APP-1/" + ControlName
	case errors.Is(e.Cause, fs.ErrNotExist):
		return "no supervisor runs there; " + others
	case errors.Is(e.Cause, syscall.ECONNREFUSED):
		return "its supervisor has ended; " + others
	default:
		return ""
	}
}

// unreachable drops the made-up URL and the path from a client error.
func unreachable(path string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	var st unix.Stat_t
	if errors.Is(err, syscall.ECONNREFUSED) && unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = errNoSocket
	}
	return &UnreachableError{path, err}
}
