package main

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// voice sends messages to systemd, sd_notify(3).
type voice struct {
	log *slog.Logger
	// saying has room for the one message that is being sent.
	saying chan struct{}
}

func newVoice(log *slog.Logger) *voice { return &voice{log, make(chan struct{}, 1)} }

// sayPatience bounds the wait for a systemd that does not read: the socket then
// blocks, and supervision must not.
const sayPatience = time.Second

// say sends a message, after those before it; true once it is sent.
func (v *voice) say(state string) bool {
	enough := time.After(sayPatience)
	select {
	case v.saying <- struct{}{}:
	case <-enough:
		v.log.Warn("systemd does not read what it is told", "dropped", state)
		return false
	}
	said := make(chan bool, 1)
	go func() {
		defer func() { <-v.saying }()
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

// watchdogInterval is how often systemd wants to hear from us; 0: never.
func (v *voice) watchdogInterval() time.Duration {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		v.log.Warn("cannot read the watchdog's interval", "error", err)
	}
	return interval
}
