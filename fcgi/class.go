package fcgi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/fcgisup/fcgisup"
)

// Class says in one word why an exchange failed.
type Class = fcgisup.ProbeClass

// The classes, from the socket inwards.
const (
	Refused    = fcgisup.ProbeRefused
	Missing    = fcgisup.ProbeMissing
	Full       = fcgisup.ProbeFull
	Timeout    = fcgisup.ProbeTimeout
	Protocol   = fcgisup.ProbeProtocol
	Overloaded = fcgisup.ProbeOverloaded
	Status     = fcgisup.ProbeStatus
	Body       = fcgisup.ProbeBody
)

// Error is a failed exchange: its class, and the cause for people.
type Error struct {
	Class Class
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause, so that errors.Is finds an errno or a context error.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err: "" for nil, Timeout for a bare deadline or
// cancellation, Protocol for an error that this package did not make.
func ClassOf(err error) Class {
	var classed *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &classed):
		return classed.Class
	case isTimeout(err):
		return Timeout
	default:
		return Protocol
	}
}

func failf(class Class, format string, args ...any) error {
	return &Error{Class: class, Err: fmt.Errorf(format, args...)}
}

// lateError is context.DeadlineExceeded in words that an operator knows.
type lateError string

func (e lateError) Error() string { return string(e) }

func (e lateError) Unwrap() error { return context.DeadlineExceeded }

func isTimeout(err error) bool {
	// EAGAIN calls itself a timeout, and so does the net error around it.
	if errors.Is(err, syscall.EAGAIN) {
		return false
	}
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &netErr) && netErr.Timeout())
}

// dialError explains a failed connect (errors of unix(7), tcp(7) and connect(2)).
func dialError(address string, err error) error {
	cause := err
	var op *net.OpError
	if errors.As(err, &op) {
		cause = op.Err // without the address, which is said already
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		cause = errno
	}
	class, advice := Refused, ""
	switch {
	case errors.Is(err, errForeignLink):
		cause, advice = err, "; name the socket itself"
	case errors.Is(err, syscall.EAGAIN):
		class, cause, advice = Full, syscall.EAGAIN, ": the accept queue is full"
	case errors.Is(err, syscall.ENOENT):
		class = Missing
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Class: Timeout, Err: lateError("cannot connect to " + address + " in time")}
	case errors.Is(err, syscall.ETIMEDOUT), isTimeout(err):
		class = Timeout
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = ": the mode of the socket or of a directory above it forbids this user"
	case errors.Is(err, syscall.EPROTOTYPE):
		advice = ": the socket is not a stream socket"
	}
	return failf(class, "cannot connect to %s: %w%s", address, cause, advice)
}
