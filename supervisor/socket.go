package supervisor

import (
	"errors"
	"fmt"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
)

const (
	// socketEvery is from one check of our socket file to the next, socketRetry from
	// one attempt to make it again to the next.
	socketEvery = 2 * time.Second
	socketRetry = 10 * time.Second
	// socketSoon is the pause while connections of a lost file still wait.
	socketSoon = 100 * time.Millisecond
)

// socketState is what is known of the instance's own listener.
type socketState struct {
	// at is when to check it next; zero: when an event calls for it, as for one without a file.
	at time.Time
	// broken is why clients are refused, shut that the reason is a shutdown(2).
	broken string
	shut   bool
	// moveAt is when to try again to replace workers that have a former listener.
	moveAt time.Time
}

// socketPolicy checks that clients reach the socket.
type socketPolicy struct{ *instance }

func (p socketPolicy) next() time.Time {
	if p.phase == phaseLeaving {
		return time.Time{}
	}
	return p.socket.at
}

func (p socketPolicy) run(now time.Time) { p.checkSocket(now) }

// checkSocket checks that clients reach the socket, and makes it again if they do not.
func (i *instance) checkSocket(now time.Time) {
	ours, why := i.host.lost()
	i.socket.shut = i.host.shut()
	i.socket.at = time.Time{}
	if ours {
		i.socket.at = now.Add(socketEvery)
	}
	switch {
	case i.socket.shut:
		why = errors.New("a process has called shutdown(2) on the listening socket")
	case why == nil:
		i.socketWorks(now)
		return
	case i.host.pending() && !i.ready():
		// They came before the file went, and the worker that starts is theirs.
		i.socket.at = now.Add(socketSoon)
		return
	}
	i.openQueue(now)
	err := i.host.renew()
	i.watching = false
	if err == nil {
		i.log.Warn("the listening socket was made again", "reason", why)
		i.failure = &control.Failure{At: now, Cause: control.ListenSocket, Detail: why.Error() + "; it was made again"}
		i.socket.shut, i.socket.moveAt = false, time.Time{}
		i.socketWorks(now)
		return
	}
	i.socket.at = now.Add(socketRetry)
	text := fmt.Sprintf("clients are refused: %s; %s", why, i.socketHint(err))
	if text != i.socket.broken {
		i.log.Error("the listening socket is broken", "reason", why, "error", i.socketHint(err))
		i.socket.broken = text
		i.failure = &control.Failure{At: now, Cause: control.ListenSocket, Detail: text}
	}
}

// socketHint says what helps.
func (i *instance) socketHint(err error) string {
	if errors.Is(err, listen.ErrInherited) {
		return "systemctl restart " + i.opt.SocketUnit(i.in) + " makes it again"
	}
	return err.Error()
}

func (i *instance) socketWorks(now time.Time) {
	if i.socket.broken != "" {
		i.log.Info("the listening socket works again")
		i.socket.broken = ""
	}
	i.moveWorkers(now)
}

// outdated are the workers that have a former listener.
func (i *instance) outdated() []*slot {
	var old []*slot
	for _, s := range i.slots {
		if s.m.Alive() && s.m.Up && s.proc != nil && s.proc.Outdated() {
			old = append(old, s)
		}
	}
	return old
}

// moveWorkers replaces those, as a restart would.
func (i *instance) moveWorkers(now time.Time) {
	old := i.outdated()
	if i.roll != nil || i.phase == phaseLeaving || len(old) == 0 || now.Before(i.socket.moveAt) {
		return
	}
	i.socket.moveAt = now.Add(socketRetry)
	i.roll = &roll{cause: control.ListenSocket, launch: i.launch, todo: old, reply: make(chan error, 1)}
}
