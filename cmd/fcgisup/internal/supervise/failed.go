package supervise

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// failedPause is how long a supervisor that runs but cannot begin stays, once it has said
// why. Systemd starts the next one a tenth of a second after it has ended (a second,
// if a start can fail before it runs), so that one that was killed is soon back; what
// a wrong configuration does to one it does to the next, and ten of them a second are
// a quarter of a core.
const failedPause = time.Second

// Stay is that pause. A signal to stop ends it.
func (r *Runner) Stay(ctx context.Context) {
	if r.begun || r.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	select {
	case <-ctx.Done():
	case <-time.After(failedPause):
	}
}
