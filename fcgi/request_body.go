package fcgi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
)

var (
	errLengthRequired = errors.New("chunked request body")
	errTooLarge       = errors.New("chunked request body above the spool limit")
)

// firstBody is what is read of a body before a worker is taken: a client that sends slowly
// holds no worker until it has sent that much.
const firstBody = 64 << 10

// bodyError is the client's failure to send its body.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func (e *bodyError) code() int {
	if isTimeout(e.err) {
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// requestBody is a body whose size is known before it is read.
type requestBody struct {
	io.Reader
	size   int64
	spool  *os.File    // nil: streamed
	client *clientBody // nil: spooled
}

// clientBody reads from the client's connection.
type clientBody struct {
	io.Reader
	taken atomic.Int64 // bytes; read by gofast's goroutine, asked by the handler's
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.taken.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = &bodyError{err}
	}
	return n, err
}

// pending says whether the client's connection still holds a part of the body.
func (b *requestBody) pending() bool { return b.client != nil && b.client.taken.Load() < b.size }

// Close gives the spool's disk space back.
func (b *requestBody) Close() error {
	if b.spool == nil {
		return nil
	}
	return b.spool.Close()
}

func (f *Front) requestBody(r *http.Request) (*requestBody, error) {
	if r.ContentLength >= 0 {
		return begin(r.Body, r.ContentLength)
	}
	limit := f.SpoolLimit
	switch {
	case limit < 0:
		return nil, errLengthRequired
	case limit == 0:
		limit = DefaultSpoolLimit
	}
	return spool(r.Body, f.SpoolDir, limit)
}

// begin reads the first part of a body.
func begin(body io.Reader, size int64) (*requestBody, error) {
	client := &clientBody{Reader: body}
	first := make([]byte, min(size, firstBody))
	if _, err := io.ReadFull(client, first); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = &bodyError{io.ErrUnexpectedEOF}
		}
		return nil, fmt.Errorf("cannot read the request body: %w", err)
	}
	return &requestBody{Reader: io.MultiReader(bytes.NewReader(first), client), size: size, client: client}, nil
}

// spool copies a body of unknown size into a file that has no name any more.
func spool(body io.Reader, dir string, limit int64) (_ *requestBody, err error) {
	file, err := os.CreateTemp(dir, "fcgisup-body-")
	if err != nil {
		return nil, fmt.Errorf("cannot spool a request body: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close() // the first error is the one to tell
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("cannot spool a request body: %w", err)
	}
	n, err := io.Copy(file, &clientBody{Reader: io.LimitReader(body, limit+1)})
	if err != nil {
		return nil, fmt.Errorf("cannot spool a request body: %w", err)
	}
	if n > limit {
		return nil, errTooLarge
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot spool a request body: %w", err)
	}
	return &requestBody{Reader: file, size: n, spool: file}, nil
}

func (f *Front) refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	var body *bodyError
	switch {
	case errors.Is(err, errLengthRequired):
		code = http.StatusLengthRequired
	case errors.Is(err, errTooLarge):
		code = http.StatusRequestEntityTooLarge
	case errors.As(err, &body):
		code = body.code()
	}
	level := slog.LevelWarn
	if body != nil { // anyone can do that, any number of times
		level = slog.LevelDebug
		w.Header().Set("Connection", "close")
	}
	f.log().Log(r.Context(), level, "request refused", "uri", r.RequestURI, "status", code, "error", err)
	refuse(w, code)
}
