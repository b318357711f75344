package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// Exit codes are part of the contract, so they are written here and not asked of the program.
const (
	exitDone  = 0
	exitFail  = 1
	exitUsage = 2
)

// controlClient speaks HTTP to a unix socket.
func controlClient(path string) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// fetchStatus asks the control API for all instances.
func fetchStatus(ctx context.Context, path string) ([]control.Status, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://fcgisup/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := controlClient(path).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /status: %s", response.Status)
	}
	var all []control.Status
	return all, json.NewDecoder(response.Body).Decode(&all)
}
