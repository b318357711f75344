package supervisor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/queue"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// longOpen is for how long the queue may be held open without what was measured
// becoming stale: php-cgi's workers end and begin every 500 requests.
const longOpen = time.Second

// queueBound is the limit on a standing queue, see package queue.
type queueBound struct {
	control queue.Control
	// open is the limit of the open queue, as the kernel has cut it; 0: not seen yet.
	open int
	// set is the limit in force; 0: that of the open queue.
	set int
	// left is the tracker's count at the last sample, sampled that there is one.
	left    uint64
	sampled bool
	// since is when the queue was limited, heldSince since when it is held open.
	since, heldSince time.Time
	// kept is set once listen(2) has been called with the configured backlog.
	kept bool
	// failed is set once listen(2) is refused, by a seccomp filter.
	failed bool
}

// boundQueue limits the queue if it stands. It acts on the last sample.
func (i *instance) boundQueue(now time.Time) {
	b := &i.bound
	i.keepBacklog()
	if i.holdQueueOpen(now) {
		return
	}
	b.heldSince = time.Time{}
	if b.open == 0 {
		return
	}
	s := queue.Sample{
		At: now, Length: len(i.board.Waiting), Workers: i.working(), Backlog: b.open, Wait: i.app.Limits.QueueWait,
	}
	if b.sampled {
		s.Left = int(i.board.Left - b.left)
	}
	b.left, b.sampled = i.board.Left, true
	limit := b.control.Observe(s)
	if !b.control.Limited() {
		limit = 0
	}
	i.setQueueLimit(limit)
	i.reportQueue(now, limit)
}

// keepBacklog has the open queue be as long as configured: a program that calls listen(2) itself, as asyncio and
// Node do, sets its own backlog for all that share the socket, and bursts beyond it are refused.
func (i *instance) keepBacklog() {
	b := &i.bound
	limit, known := i.board.Queue.Capacity.Value()
	if !known || b.set != 0 {
		return
	}
	if (!b.kept || limit < b.open) && i.ready() && !b.failed {
		b.set = -1 // not what the kernel has
		i.setQueueLimit(0)
		b.set, b.kept, limit = 0, true, 0
	}
	b.open = limit
}

// holdQueueOpen has the queue be the configured one while it must not be limited.
func (i *instance) holdQueueOpen(now time.Time) bool {
	b := &i.bound
	if i.mayBound() {
		return false
	}
	if b.heldSince.IsZero() {
		b.heldSince = now
	}
	i.setQueueLimit(0)
	if now.Sub(b.heldSince) > longOpen {
		i.forgetQueue(now)
	}
	return true
}

// queuePolicy does not wait for the next sample where a limit must go: the last worker has ended.
type queuePolicy struct{ *instance }

func (p queuePolicy) next() time.Time {
	if p.bound.set > 0 && !p.bound.failed && !p.mayBound() {
		return immediately
	}
	return time.Time{}
}

func (p queuePolicy) run(now time.Time) { p.holdQueueOpen(now) }

// mayBound reports whether to limit the queue at all: only while workers serve it, as
// many as there will be, and what waits is known. Without a ready worker a request
// waits for a start, which is not overload; a pool that may still grow does so first.
func (i *instance) mayBound() bool {
	w := i.app.Workers
	switch {
	case i.app.Limits.QueueWait == 0 || i.bound.failed || !i.host.bounds():
		return false
	case i.phase != phaseAwake || i.roll != nil || !i.ready() || i.holdsBack():
		return false
	case i.board.QueueErr != nil || i.board.WaitersErr != nil:
		return false
	case i.working() < w.Max && !i.pressed:
		return false
	}
	starting := 0
	for _, s := range i.slots {
		if s.m.State == control.Starting && s.m.Up && s.m.Attempt < worker.FailingAfter {
			starting++
		}
	}
	return 2*starting < i.working()
}

// setQueueLimit sets the limit that the kernel has; 0 is the configured one.
func (i *instance) setQueueLimit(limit int) {
	b := &i.bound
	if limit == b.set || b.failed {
		return
	}
	if err := i.host.limit(limit); err != nil {
		b.failed = true
		i.log.Error("cannot limit the queue, leaving it as it is", "error", err, "hint", "limits.queue_wait: 0 turns this off")
		return
	}
	b.set = limit
}

// openQueue has the queue be the configured one, whatever was measured.
func (i *instance) openQueue(now time.Time) {
	i.setQueueLimit(0)
	i.forgetQueue(now)
}

func (i *instance) forgetQueue(now time.Time) {
	b := &i.bound
	b.control, b.sampled = queue.Control{}, false
	i.reportQueue(now, 0)
}

// reportQueue logs and counts each time that the queue is limited, once.
func (i *instance) reportQueue(now time.Time, limit int) {
	b := &i.bound
	switch limited := b.control.Limited(); {
	case limited && b.since.IsZero():
		b.since = now
		i.limited++
		i.log.Warn("overload: the queue is limited", "limit", limit, "backlog", b.open, "queue", i.board.Queue.Length,
			"served_per_second", round(b.control.Rate()), "queue_wait", i.app.Limits.QueueWait)
	case !limited && !b.since.IsZero():
		i.log.Info("the queue is open again", "limited_for", now.Sub(b.since).Round(time.Millisecond))
		b.since = time.Time{}
	}
}

// round is enough of a rate for people.
func round(rate float64) float64 {
	return float64(int(rate*100+0.5)) / 100
}
