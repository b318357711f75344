package fcgi

import (
	"context"
	"errors"
	"io"
	"net"
)

// pingPadding is what keeps libfcgi awake: it blocks for good when a management record
// ends exactly at the end of what it has read.
const pingPadding = 8

func pingRecord() []byte {
	names := appendPairs(nil, map[string]string{"FCGI_MAX_CONNS": "", "FCGI_MAX_REQS": "", "FCGI_MPXS_CONNS": ""})
	return appendRecord(nil, typeGetValues, 0, names, pingPadding)
}

// ping sends one padded FCGI_GET_VALUES and closes conn after the first record of the
// answer: most workers then wait for a request on this connection, and a single-threaded
// one would be held. Unlike a request, an abandoned ping is never served later.
func ping(ctx context.Context, conn net.Conn) (Response, error) {
	clock, release := newClock(ctx, conn, 0)
	defer release()
	defer clock.stop()
	defer conn.Close()
	if _, err := conn.Write(pingRecord()); err != nil {
		return Response{}, pingError(ctx, err)
	}
	response, err := readPing(conn)
	if err != nil {
		err = pingError(ctx, err)
	}
	return response, err
}

func readPing(r io.Reader) (Response, error) {
	var head [headerLen]byte
	n, err := io.ReadFull(r, head[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return Response{Unsupported: true}, nil
	}
	if err != nil {
		return Response{}, err
	}
	h := parseHeader(head[:])
	switch {
	case h.version != version:
		return Response{}, failf(Protocol, "the peer does not speak FastCGI: record version %d", h.version)
	case h.kind != typeGetValuesResult && h.kind != typeUnknownType:
		return Response{}, failf(Protocol, "unexpected record type %d in answer to a ping", h.kind)
	}
	content := make([]byte, h.length)
	if _, err := io.ReadFull(r, content); err != nil {
		return Response{}, err
	}
	if h.kind == typeUnknownType {
		return Response{Values: map[string]string{}}, nil
	}
	return Response{Values: parsePairs(content)}, nil
}

func pingError(ctx context.Context, err error) error {
	var classed *Error
	switch {
	case errors.As(err, &classed):
		return err
	case ctx.Err() != nil:
		return failf(Timeout, "no answer to a ping: %w", context.Cause(ctx))
	case isTimeout(err):
		return failf(Timeout, "no answer to a ping in time: %w", context.DeadlineExceeded)
	default:
		return failf(Protocol, "cannot ping: %w", err)
	}
}
