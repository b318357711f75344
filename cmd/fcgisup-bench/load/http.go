package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

// NewHTTP asks http://address.
func NewHTTP(address string) *HTTP {
	return &HTTP{base: "http://" + address, client: http.Client{Transport: &http.Transport{
		MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, IdleConnTimeout: 10 * time.Second, DisableCompression: true,
	}}}
}

// Do is one GET.
func (h *HTTP) Do(ctx context.Context, path string) error {
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
