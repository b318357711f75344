package alert

import "time"

const (
	// maxQueue is how many messages wait for one receiver.
	maxQueue = 100
	// firstRetry is the wait after the first failure; it doubles up to lastRetry.
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
	// maxMessageAge is how long delivery is attempted: until the next morning.
	maxMessageAge = 24 * time.Hour
)

// queue holds the undelivered messages of one receiver, oldest first. Only the first is attempted, since
// the end of an incident must not arrive before its beginning. It has no clock and no effects.
type queue struct {
	Items []item `json:"items"`

	// busy means that the first is being attempted.
	busy bool
	// failing means that the last attempt failed; the reason is logged once.
	failing bool
	counts  map[Result]uint64
	// lastError is the reason of the last failure, empty after a success.
	lastError string
	sent      time.Time
}

type item struct {
	Notification Notification `json:"notification"`
	// Queued is when it came, Next when it is tried, again if Attempts is not 0.
	Queued   time.Time `json:"queued"`
	Next     time.Time `json:"next"`
	Attempts int       `json:"attempts,omitempty"`
}

// Result is what became of a message, or of an attempt: the label of a metric.
type Result string

// The results.
const (
	// Delivered was accepted by the receiver.
	Delivered Result = "ok"
	// Failed is one attempt; another follows.
	Failed Result = "failed"
	// Expired has failed for a day, and is not attempted again.
	Expired Result = "expired"
	// Dropped had to make room for newer ones, or its receiver is no longer configured.
	Dropped Result = "dropped"
)

// Results are all of them.
var Results = []Result{Delivered, Failed, Expired, Dropped}

func newQueue() *queue { return &queue{counts: map[Result]uint64{}} }

// push adds a message, and returns the one that was dropped for it.
func (q *queue) push(n Notification, now time.Time) (dropped *Notification) {
	if len(q.Items) >= maxQueue {
		oldest := 0
		if q.busy {
			oldest = 1
		}
		dropped = &q.Items[oldest].Notification
		q.Items = append(q.Items[:oldest:oldest], q.Items[oldest+1:]...)
		q.counts[Dropped]++
	}
	q.Items = append(q.Items, item{Notification: n, Queued: now, Next: now})
	return dropped
}

// next is when to try; zero: nothing is to be tried.
func (q *queue) next() time.Time {
	if q.busy || len(q.Items) == 0 {
		return time.Time{}
	}
	return q.Items[0].Next
}

// take begins an attempt if one is due.
func (q *queue) take(now time.Time) (Notification, bool) {
	if q.busy || len(q.Items) == 0 {
		return Notification{}, false
	}
	head := &q.Items[0]
	if head.Next.After(now.Add(lastRetry)) { // the clock was set back
		head.Next = now
	}
	if head.Next.After(now) {
		return Notification{}, false
	}
	q.busy = true
	return head.Notification, true
}

// finish ends an attempt.
func (q *queue) finish(why string, now time.Time) Result {
	q.busy, q.lastError = false, why
	head := &q.Items[0]
	head.Attempts++
	result := Failed
	switch {
	case why == "":
		result, q.sent = Delivered, now
	case now.Sub(head.Queued) >= maxMessageAge:
		result = Expired
	}
	q.counts[result]++
	if result == Failed {
		head.Next = now.Add(backoff(head.Attempts))
	} else {
		q.Items = q.Items[1:]
	}
	return result
}

// release ends an attempt that was interrupted: its outcome is unknown, so it does not count.
func (q *queue) release() { q.busy = false }

func backoff(attempts int) time.Duration {
	d := firstRetry
	for range attempts - 1 {
		if d *= 2; d >= lastRetry {
			return lastRetry
		}
	}
	return d
}
