package fcgi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// verdict is what FCGI_END_REQUEST carries.
type verdict struct {
	app    uint32
	status ProtocolStatus
}

// consumerError marks a failure of the reader's own stdout or stderr writer, which
// says nothing about the worker.
type consumerError struct{ err error }

func (e *consumerError) Error() string { return e.err.Error() }
func (e *consumerError) Unwrap() error { return e.err }

type flusher interface{ Flush() }

// answerReader takes one request's answer apart. Every record is validated before a
// byte of it is handed on; limit counts all bytes of the wire, headers and padding too.
type answerReader struct {
	wire   *bufio.Reader
	id     uint16
	limit  int64 // 0: none
	stdout io.Writer
	stderr io.Writer

	taken int64
	buf   []byte
}

const copyBuffer = 32 << 10

// read returns after FCGI_END_REQUEST; what follows it is ignored. All errors but
// those of the connection and *consumerError have a class.
func (a *answerReader) read() (verdict, error) {
	var head [headerLen]byte
	for {
		if _, err := io.ReadFull(a.wire, head[:]); err != nil {
			return verdict{}, a.cutShort(err)
		}
		h := parseHeader(head[:])
		if err := a.validate(h); err != nil {
			return verdict{}, err
		}
		var err error
		switch h.kind {
		case typeEndRequest:
			return a.end(h)
		case typeStdout:
			err = a.stream(a.stdout, h)
		case typeStderr:
			err = a.stream(a.stderr, h)
		}
		if err != nil {
			return verdict{}, err
		}
	}
}

func (a *answerReader) validate(h recordHeader) error {
	switch {
	case h.version != version:
		return failf(Protocol, "the peer does not speak FastCGI: record version %d", h.version)
	case h.kind != typeStdout && h.kind != typeStderr && h.kind != typeEndRequest:
		return failf(Protocol, "unexpected record type %d in the answer", h.kind)
	case h.id != a.id:
		return failf(Protocol, "the answer carries request id %d, not %d", h.id, a.id)
	case h.kind == typeEndRequest && h.length < minEndBytes:
		return failf(Protocol, "END_REQUEST of %d bytes", h.length)
	}
	a.taken += int64(headerLen + h.length + h.padding)
	if a.limit > 0 && a.taken > a.limit {
		return failf(Protocol, "the answer is longer than %d bytes", a.limit)
	}
	return nil
}

func (a *answerReader) end(h recordHeader) (verdict, error) {
	body := make([]byte, h.length)
	if _, err := io.ReadFull(a.wire, body); err != nil {
		return verdict{}, a.cutShort(err)
	}
	return verdict{app: binary.BigEndian.Uint32(body), status: ProtocolStatus(body[4])}, nil
}

// stream hands on a record as it comes in, so one that trickles is seen at once.
func (a *answerReader) stream(dst io.Writer, h recordHeader) error {
	if want := min(h.length, copyBuffer); len(a.buf) < want {
		a.buf = make([]byte, want)
	}
	for left := h.length; left > 0; {
		n, err := a.wire.Read(a.buf[:min(left, len(a.buf))])
		left -= n
		if n > 0 {
			if _, err := dst.Write(a.buf[:n]); err != nil {
				return &consumerError{err}
			}
			// With more already here, padding aside, the next write carries the flush.
			here := a.wire.Buffered()
			if f, ok := dst.(flusher); ok && (here == 0 || left == 0 && here <= h.padding) {
				f.Flush()
			}
		}
		if err != nil {
			return a.cutShort(err)
		}
	}
	if _, err := a.wire.Discard(h.padding); err != nil {
		return a.cutShort(err)
	}
	return nil
}

func (a *answerReader) cutShort(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failf(Protocol, "the connection ended before END_REQUEST, after %d bytes: %w", a.taken, io.ErrUnexpectedEOF)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failf(Protocol, "the worker dropped the connection before END_REQUEST: %w", err)
	default:
		return fmt.Errorf("cannot read the answer: %w", err)
	}
}

// protocolError turns a protocol status other than complete into an error.
func (v verdict) protocolError() error {
	switch v.status {
	case RequestComplete:
		return nil
	case WorkerOverloaded, CannotMultiplex:
		return failf(Overloaded, "the worker answered: %v", v.status)
	default:
		return failf(Protocol, "the worker answered: %v", v.status)
	}
}
