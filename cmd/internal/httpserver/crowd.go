package httpserver

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// crowd makes room when all connections are in use: of those without a request (new, idle, or
// with half a header) the one that has been so for longest is closed, after Limits.Yield at
// the earliest. Otherwise a few clients that send nothing would keep all others out until
// their timeouts, and then connect again.
type crowd struct {
	limits Limits

	mu      sync.Mutex
	open    int
	waiting map[net.Conn]time.Time // connections without a request, and since when
	leaving map[net.Conn]bool      // closed by makeRoom, still counted as open
	timer   *time.Timer            // the next attempt to make room; nil: none is due
}

// changed is the http.Server's ConnState.
func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
		c.waiting[conn] = time.Now()
	case http.StateIdle:
		c.waiting[conn] = time.Now()
	case http.StateActive:
		delete(c.waiting, conn)
	case http.StateClosed, http.StateHijacked:
		c.open--
		delete(c.waiting, conn)
		delete(c.leaving, conn)
	}
	if c.timer == nil {
		c.makeRoom()
	}
}

// makeRoom closes one connection where none is free, or comes back when one may be closed.
func (c *crowd) makeRoom() {
	if c.open-len(c.leaving) < c.limits.Connections {
		return
	}
	oldest, since := c.oldest()
	if oldest == nil {
		return // all are being served; the next change of state looks again
	}
	if wait := c.limits.Yield - time.Since(since); wait > 0 {
		c.timer = time.AfterFunc(wait, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.timer = nil
			c.makeRoom()
		})
		return
	}
	delete(c.waiting, oldest)
	c.leaving[oldest] = true
	abort(oldest)
}

func (c *crowd) oldest() (oldest net.Conn, since time.Time) {
	for conn, at := range c.waiting {
		if oldest == nil || at.Before(since) {
			oldest, since = conn, at
		}
	}
	return oldest, since
}
