package scoreboard

import "time"

// Worker is a set of processes under the caller's name for it. An ID must not
// come back for another worker: a process group id can.
type Worker struct {
	ID   int
	PIDs []int
}

// Sample is one look at an instance: what [Listener] and [Holds] said, and when.
// A part that could not be had carries its error instead.
type Sample struct {
	At       time.Time
	Queue    Queue
	QueueErr error
	// Waiters in queue order (unix), or in any order with Remote set (TCP).
	Waiters    []Waiter
	WaitersErr error
	Conns      []Conn
	ConnsErr   error
	Held       Holdings
	Workers    []Worker
	// Answered and Kept are the connections that carry no request, see [Conduct]. In Kept those that may become it are false.
	Answered, Kept map[Inode]bool
}

// Activity is whether a worker holds a connection.
type Activity string

// The activities. Idle is said only of a worker that was seen to hold nothing.
const (
	Busy Activity = "busy"
	Idle Activity = "idle"
	// OnlyKept is said of one that holds connections, and all of them are kept.
	OnlyKept Activity = "kept"
	NotKnown Activity = "unknown"
)

// Board is what the samples so far add up to. All times are those of looks: a
// thing is at least as old as its time says, at most one interval older.
type Board struct {
	At time.Time

	// QueueErr, WaitersErr and ConnsErr are those of the last sample. The fields
	// below them are then those of the last sample that had them.
	QueueErr error
	Queue    Queue
	// QueuedSince is when the queue was first seen non-empty, with no empty look
	// since. Zero: it is empty.
	QueuedSince time.Time

	WaitersErr error
	Waiting    []Waiting
	// Abandoned counts the entries of the queue whose client has closed.
	Abandoned int
	// AbandonedTotal counts those ever seen. One that came, was left and was
	// accepted between two looks is not in it.
	AbandonedTotal uint64

	// Left counts the entries that were seen to leave the queue of a unix socket, ever.
	// What came and left between two looks is not in it.
	Left uint64

	ConnsErr error
	// Requests are the accepted connections that may carry a request, oldest first: the length is the number
	// in flight.
	Requests []Request
	// Kept are the connections that clients keep for later, Answered those that only
	// inheritors hold and that wait for nothing; neither is in Requests.
	Kept, Answered []Request
	// Orphaned counts the requests whose client has closed.
	Orphaned int
	// Unattributed counts the requests that no worker was seen to hold.
	Unattributed int
	// Seen and Finished count the accepted connections ever seen, and seen gone.
	Seen     uint64
	Finished uint64
	// Progress is the last look at which a request had come or gone.
	Progress time.Time

	Workers []WorkerView
}

// Waiting is an entry of the queue.
type Waiting struct {
	Waiter
	Since time.Time
	// GoneSince is when the client was first seen closed; zero while it waits.
	GoneSince time.Time
}

// Request is an accepted connection.
type Request struct {
	Conn
	// Queued is when it was first seen in the queue; zero when it never was, or
	// its client cannot be recognized.
	Queued time.Time
	// Since is when it was first seen, or was last seen between two requests.
	Since time.Time
	// GoneSince is when the client was first seen closed; zero while it listens.
	GoneSince time.Time
	// Workers are the IDs of those that hold it.
	Workers []int
}

// WorkerView is one worker.
type WorkerView struct {
	ID       int
	Activity Activity
	// Since is when the activity began, as seen: a worker that finishes one
	// request and takes the next between two looks is busy throughout, and a look
	// that could not tell does not end it. Zero while not known.
	Since time.Time
	// Requests counts the connections it holds, Oldest is the first one's Since.
	Requests int
	Oldest   time.Time
	// Seen counts the connections it was ever seen to hold.
	Seen uint64
	// Err says why the activity is not known.
	Err error
}

// Oldest is when the oldest request in flight was first seen; zero when none is.
func (b *Board) Oldest() time.Time {
	if len(b.Requests) == 0 {
		return time.Time{}
	}
	return b.Requests[0].Since
}

// Head is when the head of the queue was first seen; zero when no connection waits.
func (b *Board) Head() time.Time {
	var head time.Time
	for _, w := range b.Waiting {
		if head.IsZero() || w.Since.Before(head) {
			head = w.Since
		}
	}
	return head
}
