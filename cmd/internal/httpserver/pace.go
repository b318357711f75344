package httpserver

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// drain is how long net/http may wait for the rest of a body that the handler did not read.
const drain = 5 * time.Second

// paced passes requests to next with deadlines that the client's progress moves. Only the
// time that a handler waits for its client counts, so a slow worker ends no request. A
// deadline that a handler sets itself replaces this one for the rest of the request.
func paced(next http.Handler, l Limits) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.ProtoAtLeast(1, 1) {
			// RFC 9112 section 6.1: with a Transfer-Encoding, which net/http ignores in
			// HTTP/1.0, what follows such a request may be its body.
			w.Header().Set("Connection", "close")
		}
		control := http.NewResponseController(w)
		answer := &response{ResponseWriter: w, control: control, reading: newPace(l, control.SetReadDeadline), writing: newPace(l, control.SetWriteDeadline)}
		if r.Body != nil && r.Body != http.NoBody {
			body := &body{ReadCloser: r.Body, pace: answer.reading}
			r.Body = body
			answer.reading.begin() // net/http reads what a handler leaves
			defer body.leave()
		}
		defer answer.writing.begin() // net/http sends what it has kept
		next.ServeHTTP(answer, r)
	})
}

// pace is the time that a client has left: Stall at most, less what it was waited for, and a
// second more for each Rate bytes.
type pace struct {
	limits Limits
	apply  func(time.Time) error

	mu    sync.Mutex
	left  time.Duration
	since time.Time
	ended bool // the deadline is not ours any more
}

func newPace(l Limits, apply func(time.Time) error) *pace {
	return &pace{limits: l, apply: apply, left: l.Stall}
}

// begin is called when a wait for the client begins.
func (p *pace) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
	if !p.ended {
		_ = p.apply(p.since.Add(p.left)) // a recorder has no deadlines
	}
}

// progress is called when it is over, with the bytes that went through.
func (p *pace) progress(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = min(p.limits.Stall, p.left-time.Since(p.since)+time.Duration(n)*time.Second/time.Duration(p.limits.Rate))
}

// end leaves the deadline to others, who may set one with it.
func (p *pace) end(set func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return set()
}

type body struct {
	io.ReadCloser
	pace *pace
	over bool
}

func (b *body) Read(p []byte) (int, error) {
	b.pace.begin()
	n, err := b.ReadCloser.Read(p)
	b.pace.progress(n)
	if err != nil && !b.over {
		b.over = true
		// After the end net/http reads on, without a deadline, to see the client go.
		_ = b.pace.end(func() error { return nil })
	}
	return n, err
}

// leave bounds net/http's own wait for the rest.
func (b *body) leave() {
	b.pace.mu.Lock()
	defer b.pace.mu.Unlock()
	if !b.pace.ended {
		_ = b.pace.apply(time.Now().Add(drain))
	}
}

// response is what http.ResponseController finds: its methods are that one's protocol.
type response struct {
	http.ResponseWriter
	control          *http.ResponseController
	reading, writing *pace
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) Write(b []byte) (int, error) {
	w.writing.begin()
	n, err := w.ResponseWriter.Write(b)
	w.writing.progress(n)
	return n, err
}

func (w *response) FlushError() error {
	w.writing.begin()
	err := w.control.Flush()
	w.writing.progress(0)
	return err
}

// Flush is for handlers that know http.Flusher only.
func (w *response) Flush() { _ = w.FlushError() }

func (w *response) SetReadDeadline(t time.Time) error {
	return w.reading.end(func() error { return w.control.SetReadDeadline(t) })
}

func (w *response) SetWriteDeadline(t time.Time) error {
	return w.writing.end(func() error { return w.control.SetWriteDeadline(t) })
}
