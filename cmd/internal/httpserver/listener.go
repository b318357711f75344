package httpserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// A connection that ends before its client has sent all is read for lingerTime, or
// lingerBytes: the kernel answers what it has not read with a reset, which would take an
// answer like 413 or 431 away from a client that still sends.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// listener accepts while fewer than its slots are in use; the others wait in the kernel's
// queue. golang.org/x/net/netutil.LimitListener does that too, but its connections lack
// CloseWrite, which net/http needs to end an answer.
type listener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	close sync.Once
}

func limited(l net.Listener, n int) *listener {
	return &listener{Listener: l, slots: make(chan struct{}, n), done: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *listener) Close() error {
	l.close.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type conn struct {
	net.Conn
	release func()
	closing sync.Once
}

type halfCloser interface{ CloseWrite() error }

func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(halfCloser); ok {
		return h.CloseWrite()
	}
	return nil
}

// Close ends the answer at once, and the connection when its client has seen that.
func (c *conn) Close() error {
	c.closing.Do(func() {
		if c.CloseWrite() != nil {
			_ = c.abort() // the client has gone already
			return
		}
		go func() {
			_ = c.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
			_ = c.abort()
		}()
	})
	return nil
}

// abort ends the connection now.
func (c *conn) abort() error {
	defer c.release()
	return c.Conn.Close()
}

// abort does that with a connection of any listener. The server's goroutine of it takes it as its client's end.
func abort(c net.Conn) {
	if ours, ok := c.(*conn); ok {
		_ = ours.abort()
		return
	}
	_ = c.Close()
}

// Listen listens on a TCP address. Its error goes without the library's own "listen tcp …: bind:".
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
}
