package fcgi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

var errRecord = errors.New("internal error: gofast wrote a malformed record")

// tap is the connection that gofast believes to have. gofast encodes the request; the
// tap gathers it, takes back the keep-conn flag, adds the body and sends. Of the answer
// gofast sees nothing but one END_REQUEST made here, when the exchange is over: it
// cannot misread what it never reads, nor wait for what never comes.
type tap struct {
	net.Conn
	clock *clock
	body  io.Reader // nil: none

	// Owned by gofast's writing goroutine.
	request []byte
	sending bool

	sent    chan struct{} // closed when the request has been sent, or cannot be
	bodyErr error         // valid once sent is closed
	over    chan struct{} // closed by end
	fake    *bytes.Reader // owned by gofast's reading goroutine
}

func newTap(conn net.Conn, c *clock, body io.Reader) *tap {
	return &tap{Conn: conn, clock: c, body: body, sent: make(chan struct{}), over: make(chan struct{})}
}

// requestID is what gofast numbers the first request of a client with.
const requestID = 1

// end lets gofast go. The connection is dead afterwards.
func (t *tap) end() {
	t.clock.stop()
	close(t.over)
}

// Read shows gofast the end of its request, when there is one.
func (t *tap) Read(p []byte) (int, error) {
	<-t.over
	if t.fake == nil {
		t.fake = bytes.NewReader(appendEnd(nil, requestID, 0, RequestComplete))
	}
	return t.fake.Read(p)
}

// Write takes one record per call, as gofast writes them, and sends the request in one
// go when its last record is there: a worker that must wait for the rest is a parked worker.
func (t *tap) Write(p []byte) (int, error) {
	if len(p) < headerLen {
		return 0, errRecord
	}
	h := parseHeader(p)
	if len(p) != headerLen+h.length+h.padding || (h.kind != typeAbortRequest && h.id != requestID) {
		return 0, errRecord
	}
	switch h.kind {
	case typeBeginRequest:
		t.request = append(t.request, p...)
		t.request[headerLen+2] &^= flagKeep
	case typeParams:
		t.request = append(t.request, p...)
	case typeStdin:
		return len(p), t.send(p)
	case typeAbortRequest:
		// A worker learns of our end from the closed connection; libfcgi and php-cgi
		// would run the application for a lone ABORT_REQUEST.
	default:
		return 0, errRecord
	}
	return len(p), nil
}

// send sends the request, the body and, given as last, the end of STDIN. A body that
// cannot be read ends the exchange: without the end of STDIN no worker takes the part for
// the whole.
func (t *tap) send(last []byte) error {
	if t.sending {
		return errRecord
	}
	t.sending = true
	var err error
	if t.body == nil {
		err = t.put(append(t.request, last...))
	} else if err = t.put(t.request); err == nil {
		t.bodyErr, err = t.sendBody(last)
	}
	close(t.sent)
	if t.bodyErr != nil {
		t.clock.stop()
		return t.bodyErr
	}
	return err
}

// sendBody passes the body on as it comes, one record per read.
func (t *tap) sendBody(last []byte) (bodyErr, connErr error) {
	record := make([]byte, headerLen+copyBuffer+7)
	for {
		n, err := t.readBody(record[headerLen : headerLen+copyBuffer])
		if n > 0 {
			padding := -n & 7
			putHeader(record, typeStdin, requestID, n, padding)
			if connErr := t.put(record[:headerLen+n+padding]); connErr != nil {
				return nil, connErr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil, t.put(last)
		}
		if err != nil {
			return fmt.Errorf("cannot read the request body: %w", err), nil
		}
	}
}

// readBody waits for the client, not for the worker. A body that panics must not take
// the process with it from inside gofast's goroutine.
func (t *tap) readBody(b []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("internal error: request body: %v", r)
		}
	}()
	t.clock.pause()
	defer t.clock.resume()
	return t.body.Read(b)
}

func (t *tap) put(b []byte) error {
	t.clock.tick()
	_, err := t.Conn.Write(b)
	return err
}

// clock holds the deadline of a connection: a fixed one, and one that moves with every
// sign of progress while the worker, not the client, is awaited.
type clock struct {
	conn    net.Conn
	limit   time.Time     // zero: none
	silence time.Duration // 0: none

	mu      sync.Mutex
	paused  bool
	stopped bool
}

// newClock takes the fixed deadline from ctx; the end of ctx stops the clock until the
// returned function is called.
func newClock(ctx context.Context, conn net.Conn, silence time.Duration) (*clock, func() bool) {
	c := &clock{conn: conn, silence: silence}
	c.limit, _ = ctx.Deadline()
	c.tick()
	return c, context.AfterFunc(ctx, c.stop)
}

func (c *clock) tick()   { c.set(func() {}) }
func (c *clock) pause()  { c.set(func() { c.paused = true }) }
func (c *clock) resume() { c.set(func() { c.paused = false }) }

// until moves the fixed deadline.
func (c *clock) until(t time.Time) { c.set(func() { c.limit = t }) }

// stop ends every read and write, those under way and those to come.
func (c *clock) stop() { c.set(func() { c.stopped = true }) }

func (c *clock) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	deadline := c.limit
	switch {
	case c.stopped:
		deadline = time.Unix(1, 0)
	case c.silence > 0 && !c.paused:
		if quiet := time.Now().Add(c.silence); deadline.IsZero() || quiet.Before(deadline) {
			deadline = quiet
		}
	}
	// Fails on a closed connection only, where nothing waits any more.
	_ = c.conn.SetDeadline(deadline)
}

// awaited is the reading side of a connection; each read starts the silence again.
type awaited struct {
	conn  net.Conn
	clock *clock
}

func (a awaited) Read(p []byte) (int, error) {
	a.clock.tick()
	return a.conn.Read(p)
}
