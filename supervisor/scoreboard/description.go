package scoreboard

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Nonblocking reports whether O_NONBLOCK is set on the open file description that
// all holders of the listener share. A libfcgi program exits with status 0 when it
// meets a listener in that state.
func (l *Listener) Nonblocking() (bool, error) {
	flags, err := unix.FcntlInt(uintptr(l.fd), unix.F_GETFL, 0)
	if err != nil {
		return false, fmt.Errorf("cannot read the flags of %s: %w", l, err)
	}
	return flags&unix.O_NONBLOCK != 0, nil
}

// SetBlocking clears O_NONBLOCK for every holder of the listener.
//
// It also takes off what else a worker may have put on the socket, where it stays after its end: a packet filter
// (SO_ATTACH_FILTER, socket(7)) that drops every connection to a TCP listener, and a timeout (SO_RCVTIMEO) with
// which accept(2) fails as on a listener that does not block.
func (l *Listener) SetBlocking() error {
	// ENOENT: there is none. One that is locked (SO_LOCK_FILTER) cannot be taken off.
	if err := unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); isErrno(err, unix.EPERM) {
		return fmt.Errorf("cannot take a filter off %s that a worker has locked: %w", l, err)
	}
	if err := unix.SetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{}); err != nil {
		return fmt.Errorf("cannot take a timeout off %s: %w", l, err)
	}
	flags, err := unix.FcntlInt(uintptr(l.fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_NONBLOCK != 0 {
		_, err = unix.FcntlInt(uintptr(l.fd), unix.F_SETFL, flags&^unix.O_NONBLOCK)
	}
	if err != nil {
		return fmt.Errorf("cannot make %s blocking: %w", l, err)
	}
	return nil
}

// SetBacklog changes the queue limit of the live listener by another listen(2).
// The kernel cuts n at net.core.somaxconn of the socket's network namespace;
// [Listener.Queue] tells what came of it. Connections that wait already stay.
func (l *Listener) SetBacklog(n int) error {
	if n < 0 {
		return fmt.Errorf("cannot set the backlog of %s to %d: negative", l, n)
	}
	if err := unix.Listen(l.fd, n); err != nil {
		return fmt.Errorf("cannot set the backlog of %s to %d: %w", l, n, err)
	}
	return nil
}

func isErrno(err error, oneOf ...unix.Errno) bool {
	var errno unix.Errno
	return errors.As(err, &errno) && slices.Contains(oneOf, errno)
}
