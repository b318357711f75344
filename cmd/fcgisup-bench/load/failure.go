package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Kind says in one word how a request failed; "" is success.
type Kind string

// The kinds. Unsent is our own failure: more requests were in flight than the plan allows.
const (
	Refused   Kind = "refused"    // no process listens, or the socket file is gone
	Full      Kind = "queue full" // the listen queue was full (EAGAIN of a unix socket)
	Reset     Kind = "cut"        // the connection ended before the answer did
	Timeout   Kind = "timeout"    // no whole answer in time
	ServerErr Kind = "5xx"        // an answer, but a failure by its own words
	OtherCode Kind = "not 2xx"    // another answer than was asked for
	Protocol  Kind = "protocol"   // an answer that is none
	Unsent    Kind = "unsent"
)

// Failure is a request that was not answered as it should be.
type Failure struct {
	Kind Kind
	Err  error
}

func (f *Failure) Error() string { return fmt.Sprintf("%s: %v", f.Kind, f.Err) }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// KindOf is the kind of any error that a client returns.
func KindOf(err error) Kind {
	var failure *Failure
	var network net.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &failure):
		return failure.Kind
	case errors.Is(err, syscall.EAGAIN): // first: package net calls it a timeout
		return Full
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return Refused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Reset
	}
	return Protocol
}

func statusFailure(status int) error {
	err := fmt.Errorf("status %d", status)
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 500:
		return &Failure{ServerErr, err}
	}
	return &Failure{OtherCode, err}
}
