package supervisor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// leave begins the end: no new requests where the socket is ours, then no workers.
func (i *instance) leave(now time.Time) {
	if i.leaving {
		return
	}
	i.leaving = true
	i.openQueue(now)
	i.endRoll(errStopped)
	i.host.disarm()
	i.probeAt, i.sampleAt, i.trial = time.Time{}, time.Time{}, nil
	i.leaveBy = now
	if i.host.retire() && i.alive() {
		i.leaveBy = now.Add(i.app.Limits.StopTimeout)
	}
}

// tickLeaving tells the workers to go: at once under a socket that outlives us,
// else as soon as the queue is empty, since what waits in it ends with the socket.
func (i *instance) tickLeaving(now time.Time) {
	if i.leaveBy.IsZero() {
		return
	}
	if now.Before(i.leaveBy) && i.alive() && i.host.pending() {
		i.sampleAt = now.Add(lookPause)
		return
	}
	i.leaveBy, i.sampleAt = time.Time{}, time.Time{}
	for _, s := range i.slots {
		i.happen(s, event{kind: stop, cause: control.Operator}, now)
	}
}

// killAll is the second SIGTERM.
func (i *instance) killAll(now time.Time) {
	i.leave(now)
	i.leaveBy, i.sampleAt = time.Time{}, time.Time{}
	for _, s := range i.slots {
		i.happen(s, event{kind: kill, cause: control.Operator}, now)
	}
}
