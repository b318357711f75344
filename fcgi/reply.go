package fcgi

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// drainGrace is how long net/http may wait for the rest of a request body that the
// worker did not want, before it closes the connection.
const drainGrace = 5 * time.Second

// reply writes a worker's page to the HTTP client.
type reply struct {
	w       http.ResponseWriter
	control *http.ResponseController
	head    bool // a HEAD request: the header alone

	request *http.Request
	body    *requestBody
	stopped bool // the reading of body
	started bool
	left    int64 // of the declared Content-Length; -1: none declared
}

// prepare allows to answer while the request body is still read.
func (p *reply) prepare() {
	// Not supported outside net/http's HTTP/1 server, and not needed there.
	_ = p.control.EnableFullDuplex()
}

// lastIfPending makes this the last answer of the client's connection when it begins
// before the request has ended: net/http in full duplex cannot go on after a body that the
// handler has not read (it panics over "invalid concurrent Body.Read").
func (p *reply) lastIfPending() {
	if p.body.pending() {
		p.w.Header().Set("Connection", "close")
	}
}

// stopBody makes a read of the request body return. Where the connection has no
// deadlines, closing the body is the next best.
func (p *reply) stopBody() {
	p.stopped = true
	if err := p.control.SetReadDeadline(time.Unix(1, 0)); err != nil {
		_ = p.request.Body.Close()
	}
}

// resumeBody lets net/http read the rest, so that the client sees the answer and not a reset.
func (p *reply) resumeBody() {
	if p.stopped {
		_ = p.control.SetReadDeadline(time.Now().Add(drainGrace))
	}
}

func (p *reply) writeHead(page *page) error {
	if page.status < 200 {
		return failf(Protocol, "a final answer cannot have status %d", page.status)
	}
	header := p.w.Header()
	for name, values := range page.header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			// Of the connection, RFC 9110 section 7.6.1: not the worker's to say.
		default:
			header[name] = values
		}
	}
	if page.header.Get("Content-Type") == "" {
		header["Content-Type"] = nil // no guessing where the application said nothing
	}
	p.lastIfPending()
	p.left = -1
	if lengths := page.header.Values("Content-Length"); len(lengths) > 0 {
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err != nil || n < 0 {
			return failf(Protocol, "malformed Content-Length %.40q", lengths[0])
		}
		header.Set("Content-Length", lengths[0])
		p.left = n
	}
	p.started = true
	p.w.WriteHeader(page.status)
	return nil
}

// Write drops what the client must not get: a body where HTTP allows none, and
// what exceeds the declared length.
func (p *reply) Write(b []byte) (int, error) {
	n := len(b)
	if p.left >= 0 {
		b = b[:min(int64(n), p.left)]
		p.left -= int64(len(b))
	}
	if p.head || len(b) == 0 {
		return n, nil
	}
	if _, err := p.w.Write(b); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		return 0, err
	}
	return n, nil
}

// Flush sends what has been written.
func (p *reply) Flush() {
	_ = p.control.Flush() // a failure shows at the next write
}
