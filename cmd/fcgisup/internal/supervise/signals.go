package supervise

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/supervisor"
)

// signalHandler is what signals have asked of a supervisor, one after the other.
type signalHandler struct {
	n *notifier
	// draining is called at the first signal to stop; drainDelay is how long the sockets are served after it.
	draining   func()
	drainDelay func() time.Duration
	// stop ends it gently, kill at once.
	stop context.CancelFunc
	kill func()
	// replaced reports whether there is another program file, freeze prepares for it.
	replaced func() bool
	freeze   func() *supervisor.Handover

	stopping bool
	frozen   chan *supervisor.Handover // while one is being prepared
	reload   bool                      // is asked for beside it
}

// handle takes the next signal.
func (o *signalHandler) handle(sig os.Signal) {
	switch {
	case sig == syscall.SIGUSR2 || sig == syscall.SIGHUP && o.replaced():
		o.reload = sig == syscall.SIGHUP
		if o.frozen == nil && !o.stopping {
			o.frozen = make(chan *supervisor.Handover, 1)
			go func(to chan<- *supervisor.Handover) { to <- o.freeze() }(o.frozen)
		}
	case sig == syscall.SIGHUP:
		o.n.reload()
	case o.stopping:
		o.n.log.Warn("second signal, killing the workers", "signal", sig.String())
		o.stop() // limits.drain_delay is over
		o.kill()
	default:
		delay := o.drainDelay()
		o.n.log.Info("stopping", "signal", sig.String(), "drain_delay", delay)
		o.stopping = true
		o.draining()
		o.n.stopping()
		if delay == 0 {
			o.stop()
			return
		}
		time.AfterFunc(delay, o.stop)
	}
}
