package supervise

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
)

// TestClosedServersLeaveNoSocket, not even one that has not begun to serve, as when the next listener fails.
func TestClosedServersLeaveNoSocket(t *testing.T) {
	r := &Runner{log: slog.New(slog.DiscardHandler)}
	path := filepath.Join(t.TempDir(), control.ControlName)
	for range 100 {
		l, err := listen.Control(path)
		if err != nil {
			t.Fatal(err)
		}
		r.listen(context.Background(), l, http.NotFoundHandler(), controlConnections)
		r.closeServers()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Fatalf("the control socket stays: %v", err)
		}
	}
}
