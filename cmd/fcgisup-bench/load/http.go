package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Client sends one request and waits for the whole answer; path may have a query. It may be used at the same time.
type Client interface {
	Do(ctx context.Context, path string) error
	Close()
}

// HTTP asks a web server and keeps connections, as a browser does; what nginx does behind it is another matter.
type HTTP struct {
	base   string // http://127.0.0.1:8080
	client http.Client
}

// idleLimit is shorter than any peer's own, so that no connection is closed just when it is used again: lighttpd's and
// Apache's are 5 s.
const idleLimit = 2 * time.Second

// NewHTTP asks http://address. A redirection is an answer, and not followed.
func NewHTTP(address string) *HTTP {
	return &HTTP{base: "http://" + address, client: http.Client{
		Transport: &http.Transport{
			MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, IdleConnTimeout: idleLimit, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errRepeated = errors.New("the kept connection ended before an answer began")

// Do is one GET. Package net/http sends it once more when a kept connection ends before an answer begins; that is a
// failure here, whatever becomes of the repetition: through nginx it is not repeated.
func (h *HTTP) Do(ctx context.Context, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tries atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) {
		if tries.Add(1) > 1 {
			cancel()
		}
	}})
	err := h.once(ctx, path)
	if tries.Load() > 1 {
		return &Failure{Reset, errors.Join(errRepeated, err)}
	}
	return err
}

func (h *HTTP) once(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+path, nil)
	if err != nil {
		return &Failure{Protocol, err}
	}
	response, err := h.client.Do(request)
	if err != nil {
		return fmt.Errorf("cannot get %s: %w", path, err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return statusFailure(response.StatusCode)
}

// Close closes what is idle.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }
