package fcgi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"
)

// Bounds of Unavailable.
const (
	UnavailableTimeout = 5 * time.Second // without a deadline in its context

	readBeforeAnswer = 1 << 20  // bytes of request waited for; a larger one is answered while it comes
	readAfterAnswer  = 64 << 20 // bytes of request read and thrown away after the answer
)

// Unavailable answers the request that waits on conn with 503 and Retry-After, then
// closes conn, all before ctx ends. It is the voice of an instance whose worker cannot live.
//
// It reads before and after it answers, because a connection closed with unread input
// shows a client ECONNRESET instead of the answer. A client that stays silent, or stops
// in the middle of its request, is answered after half of the time (or, not having sent
// a BEGIN_REQUEST, closed). FCGI_GET_VALUES and unknown management records are answered
// too. The error says why no 503 was sent; a client that only asked for values, or
// closed without a request, is none.
func Unavailable(ctx context.Context, conn net.Conn, retryAfter time.Duration) error {
	defer conn.Close()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, UnavailableTimeout)
		defer cancel()
	}
	clock, release := newClock(ctx, conn, 0)
	defer release()
	end, _ := ctx.Deadline()
	clock.until(time.Now().Add(time.Until(end) / 2))

	w := waiting{in: bufio.NewReaderSize(conn, 4096), out: conn}
	err := w.readRequest()
	if !w.begun {
		if errors.Is(err, io.EOF) && ctx.Err() == nil {
			return nil
		}
		return fmt.Errorf("cannot answer 503: no request: %w", err)
	}
	clock.until(end)
	if _, err := conn.Write(unavailableAnswer(w.id, retryAfter)); err != nil {
		return fmt.Errorf("cannot answer 503: %w", err)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // a client that has gone already needs no end of file
	}
	// The answer is sent: how the client takes it is the client's affair.
	_, _ = io.Copy(io.Discard, io.LimitReader(w.in, readAfterAnswer))
	return nil
}

func unavailableAnswer(id uint16, retryAfter time.Duration) []byte {
	const text = "The application cannot be started at the moment. Please try again.\n"
	seconds := max(1, int64(math.Ceil(retryAfter.Seconds())))
	page := fmt.Sprintf("Status: 503 Service Unavailable\r\nRetry-After: %d\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\n\r\n%s",
		seconds, len(text), text)
	b := appendRecord(nil, typeStdout, id, []byte(page), -len(page)&7)
	b = appendRecord(b, typeStdout, id, nil, 0)
	return appendEnd(b, id, 0, RequestComplete)
}

// waiting is the server's side of one connection, as far as a refusal needs it.
type waiting struct {
	in  *bufio.Reader
	out io.Writer

	begun bool
	id    uint16 // of the request, once begun
	read  int    // bytes
}

// readRequest returns nil at the end of the request or at its bound, and the reason
// when it stops earlier.
func (w *waiting) readRequest() error {
	var head [headerLen]byte
	for w.read < readBeforeAnswer {
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			return err
		}
		h := parseHeader(head[:])
		if h.version != version {
			return fmt.Errorf("the client does not speak FastCGI: record version %d", h.version)
		}
		w.read += headerLen + h.length + h.padding
		done, err := w.record(h)
		if done || err != nil {
			return err
		}
	}
	return nil
}

func (w *waiting) record(h recordHeader) (done bool, err error) {
	switch {
	case h.id == 0:
		return false, w.manage(h)
	case h.kind == typeBeginRequest && !w.begun:
		w.begun, w.id = true, h.id
	case h.kind == typeBeginRequest && h.id != w.id:
		if _, err := w.out.Write(appendEnd(nil, h.id, 0, CannotMultiplex)); err != nil {
			return true, err
		}
	case h.id == w.id && w.begun:
		done = h.kind == typeAbortRequest || h.kind == typeStdin && h.length == 0
	}
	_, err = w.in.Discard(h.length + h.padding)
	return done, err
}

// manage answers a management record (specification section 4).
func (w *waiting) manage(h recordHeader) error {
	content := make([]byte, h.length)
	if _, err := io.ReadFull(w.in, content); err != nil {
		return err
	}
	if _, err := w.in.Discard(h.padding); err != nil {
		return err
	}
	answer := appendRecord(nil, typeUnknownType, 0, []byte{h.kind, 0, 0, 0, 0, 0, 0, 0}, 0)
	if h.kind == typeGetValues {
		known := map[string]string{"FCGI_MAX_CONNS": "1", "FCGI_MAX_REQS": "1", "FCGI_MPXS_CONNS": "0"}
		asked := parsePairs(content)
		values := map[string]string{}
		for name, value := range known {
			if _, ok := asked[name]; ok {
				values[name] = value
			}
		}
		pairs := appendPairs(nil, values)
		answer = appendRecord(nil, typeGetValuesResult, 0, pairs, pingPadding)
	}
	_, err := w.out.Write(answer)
	return err
}
