package service

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier sends messages to systemd, sd_notify(3).
type Notifier struct {
	log *slog.Logger
	// sending has room for the one message that is being sent.
	sending chan struct{}
}

// NewNotifier sends to the socket that $NOTIFY_SOCKET names; without one it sends nothing.
func NewNotifier(log *slog.Logger) *Notifier { return &Notifier{log, make(chan struct{}, 1)} }

// notifyTimeout bounds the wait for a systemd that does not read: the socket then
// blocks, and supervision must not.
const notifyTimeout = time.Second

// Notify sends a message, after those before it; true once it is sent.
func (v *Notifier) Notify(state string) bool {
	enough := time.After(notifyTimeout)
	select {
	case v.sending <- struct{}{}:
	case <-enough:
		v.log.Warn("systemd does not read notifications", "dropped", state)
		return false
	}
	said := make(chan bool, 1)
	go func() {
		defer func() { <-v.sending }()
		_, err := daemon.SdNotify(false, state)
		if err != nil {
			v.log.Warn("cannot notify systemd", "error", err)
		}
		said <- err == nil
	}()
	select {
	case sent := <-said:
		return sent
	case <-enough:
		return false
	}
}

// WatchdogInterval is how often systemd wants to hear from us; 0: never.
func (v *Notifier) WatchdogInterval() time.Duration {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		v.log.Warn("cannot read the watchdog's interval", "error", err)
	}
	return interval
}
