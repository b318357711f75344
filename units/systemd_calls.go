package units

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// A systemd that hangs, or a bus that does, must not hang us.
const (
	// answerTimeout is D-Bus' own default for a method.
	answerTimeout = 25 * time.Second
	// reloadTimeout is for daemon-reload, which runs generators and reads all units.
	reloadTimeout = 2 * time.Minute
)

// connect makes a connection, which outlives ctx: the library ends one with its
// context, but what is begun has to be undone after that, too.
func connect(ctx context.Context, dial func(context.Context) (*dbus.Conn, error)) (*Systemd, error) {
	type outcome struct {
		conn *dbus.Conn
		err  error
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	made := make(chan outcome, 1)
	go func() {
		conn, err := dial(life)
		made <- outcome{conn, err}
	}()
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	var err error
	select {
	case o := <-made:
		if o.err == nil {
			return &Systemd{o.conn, end}, nil
		}
		err = o.err
	case <-timer.C:
		err = silent(answerTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	end() // ends the attempt, or the connection that comes too late
	return nil, err
}

func silent(limit time.Duration) error {
	return fmt.Errorf("systemd has not answered for %s", limit)
}

// ask makes one call, which ends after answerTimeout.
func ask[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	return askWithin(ctx, answerTimeout, call)
}

func askWithin[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := call(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = silent(limit)
	}
	return v, err
}
