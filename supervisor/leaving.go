package supervisor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// queuePause is how often the queue is read while what waits in it is served before the end.
const queuePause = 2 * time.Millisecond

// leave begins the end: no new requests where the socket is ours, then no workers.
func (i *instance) leave(now time.Time) {
	if i.phase.after(eventLeave) == i.phase {
		return
	}
	i.phase = i.phase.after(eventLeave)
	i.openQueue(now)
	i.endRoll(errStopped)
	i.host.disarm()
	i.probeAt, i.sampleAt, i.trial = time.Time{}, time.Time{}, nil
	i.leaveBy, i.queueAt = now, now
	if i.host.retire() && i.alive() {
		i.leaveBy = now.Add(i.app.Limits.StopTimeout)
	}
}

// leavePolicy tells the workers to go: at once under a socket that outlives us,
// else as soon as the queue is empty, since what waits in it ends with the socket.
type leavePolicy struct{ *instance }

func (p leavePolicy) next() time.Time {
	switch {
	case p.leaveBy.IsZero():
		return time.Time{}
	case !p.alive():
		return immediately
	}
	return sooner(p.leaveBy, p.queueAt)
}

func (p leavePolicy) run(now time.Time) {
	if now.Before(p.leaveBy) && p.alive() && p.host.pending() {
		p.queueAt = now.Add(queuePause)
		return
	}
	p.leaveBy = time.Time{}
	for _, s := range p.slots {
		p.dispatch(s, worker.Event{Kind: worker.Stop, Cause: control.Operator}, now)
	}
}

// killAll is the second SIGTERM.
func (i *instance) killAll(now time.Time) {
	i.leave(now)
	i.leaveBy = time.Time{}
	for _, s := range i.slots {
		i.dispatch(s, worker.Event{Kind: worker.Kill, Cause: control.Operator}, now)
	}
}
