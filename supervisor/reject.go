package supervisor

import (
	"context"
	"math"
	"net"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// maxAnswers bounds the 503s being written at once, answerTime one of them.
	maxAnswers = 64
	answerTime = 2 * time.Second
)

// rejectOverdue answers 503 to the requests that have waited for queue_timeout, if no
// worker can live.
func (i *instance) rejectOverdue(now time.Time) {
	if !i.canReject() {
		return
	}
	for range i.waiting.overdue(now, i.app.Limits.QueueTimeout) {
		if !i.rejectOne(now) {
			return
		}
	}
}

// canReject is the one condition under which we accept: no process of ours
// could, and the next one is not likely to either.
func (i *instance) canReject() bool {
	return i.app.Limits.QueueTimeout > 0 && !i.alive() &&
		slices.ContainsFunc(i.slots, func(s *slot) bool { return s.m.State == control.Failing })
}

// rejectOne answers the head of the queue; false when there is none or too many are being answered.
func (i *instance) rejectOne(now time.Time) bool {
	select {
	case i.answers <- struct{}{}:
	default:
		return false
	}
	conn := i.host.accept()
	if conn == nil {
		<-i.answers
		return false
	}
	i.waiting.since = i.waiting.since[1:]
	i.rejected++
	go i.answer(conn, i.retryAfter(now))
	return true
}

func (i *instance) answer(conn net.Conn, retry time.Duration) {
	defer func() { <-i.answers }()
	defer conn.Close()
	ctx, cancel := context.WithTimeout(i.ctx, answerTime)
	defer cancel()
	if err := i.opt.Unavailable(ctx, conn, retry); err != nil {
		i.log.Debug("cannot answer 503", "error", err)
	}
}

// retryAfter is when the next attempt is due, in whole seconds, at least one.
func (i *instance) retryAfter(now time.Time) time.Duration {
	soonest := i.app.Restart.MaxDelay
	for _, s := range i.slots {
		if s.m.State == control.Failing || s.m.State == control.Backoff {
			soonest = min(soonest, s.m.Deadline.Sub(now))
		}
	}
	return time.Duration(max(math.Ceil(soonest.Seconds()), 1)) * time.Second
}
