package scoreboard

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// Tracker turns samples of one instance into ages and counts. It is pure: it looks
// at nothing but the samples, which must come in order of time. One sample whose
// part failed does not end the age of anything. Not safe for concurrent use; the
// zero value is ready.
type Tracker struct {
	at             time.Time
	queue          Queue
	queuedSince    time.Time
	waiting        []Waiting
	left           uint64
	abandonedTotal uint64
	requests       map[Inode]*tracked
	seen, finished uint64
	progress       time.Time
	workers        map[int]*trackedWorker
}

// tracked is a request, and the workers it was counted for already.
type tracked struct {
	Request
	counted map[int]bool
}

type trackedWorker struct {
	activity Activity
	since    time.Time
	seen     uint64
}

var errUnreadable = errors.New("the descriptors of its processes could not be read")

// Observe adds a sample and returns the board as of now.
func (t *Tracker) Observe(s Sample) Board {
	if t.requests == nil {
		t.requests, t.workers = map[Inode]*tracked{}, map[int]*trackedWorker{}
	}
	t.at = s.At
	if s.QueueErr == nil {
		t.observeQueue(s.Queue)
	}
	before := t.waiting
	if s.WaitersErr == nil {
		t.observeWaiters(s)
	}
	if s.ConnsErr == nil {
		t.observeConns(s, before)
	}
	b := t.board(s)
	b.Workers = t.observeWorkers(s)
	return b
}

func (t *Tracker) observeQueue(q Queue) {
	t.queue = q
	switch {
	case q.Length == 0:
		t.queuedSince = time.Time{}
	case t.queuedSince.IsZero():
		t.queuedSince = t.at
	}
}

func (t *Tracker) observeWaiters(s Sample) {
	known := t.match(s)
	now := make([]Waiting, len(s.Waiters))
	for i, w := range s.Waiters {
		entry := Waiting{Waiter: w, Since: t.at}
		if old := known(i); old != nil {
			entry.Since, entry.GoneSince = old.Since, old.GoneSince
		}
		if w.Gone && entry.GoneSince.IsZero() {
			entry.GoneSince = t.at
			t.abandonedTotal++
		}
		now[i] = entry
	}
	t.waiting = now
}

// match finds, for an index into the new waiters, the entry of the old queue that
// it continues, or nil.
func (t *Tracker) match(s Sample) func(i int) *Waiting {
	if slices.ContainsFunc(s.Waiters, func(w Waiter) bool { return w.Remote.IsValid() }) {
		old := make(map[netip.AddrPort]*Waiting, len(t.waiting))
		for i := range t.waiting {
			old[t.waiting[i].Remote] = &t.waiting[i]
		}
		return func(i int) *Waiting { return old[s.Waiters[i].Remote] }
	}
	left := shifted(t.waiting, s.Waiters, s.Conns)
	t.left += uint64(left)
	return func(i int) *Waiting {
		if left+i < len(t.waiting) {
			return &t.waiting[left+i]
		}
		return nil
	}
}

// shifted is how many entries left the head of a queue between two looks: the
// fewest that explain what is seen, since entries leave only at the head and come
// only at the tail, and only closing makes one unrecognizable. An entry whose
// client is among the accepted has left for certain, unless it was accepted
// between the two questions of one look.
func shifted(old []Waiting, now []Waiter, accepted []Conn) int {
	k := 0
	peers := make(map[Inode]bool, len(accepted))
	for _, c := range accepted {
		peers[c.Peer] = c.Peer != 0
	}
	for _, w := range now {
		delete(peers, w.Peer)
	}
	for i, w := range old {
		if peers[w.Peer] {
			k = i + 1
		}
	}
	for k < len(old) && !continues(old[k:], now) {
		k++
	}
	return k
}

func continues(old []Waiting, now []Waiter) bool {
	if len(now) < len(old) {
		return false
	}
	for i, w := range old {
		if !now[i].Gone && (w.Gone || w.Peer != now[i].Peer) {
			return false
		}
	}
	return true
}

func (t *Tracker) observeConns(s Sample, waited []Waiting) {
	open := make(map[Inode]bool, len(s.Conns))
	for _, c := range s.Conns {
		open[c.Inode] = true
		r := t.requests[c.Inode]
		if r == nil {
			r = &tracked{Request: Request{Since: t.at, Queued: queuedAt(waited, c)}, counted: map[int]bool{}}
			t.requests[c.Inode] = r
			t.seen++
			t.progress = t.at
		}
		r.Conn = c
		if c.Gone && r.GoneSince.IsZero() {
			r.GoneSince = t.at
		}
		r.Workers = s.holders(c.Inode)
		if _, rests := s.Kept[c.Inode]; rests {
			r.Since = t.at // its last request is answered: the next one is not older than this
		}
	}
	for inode := range t.requests {
		if !open[inode] {
			delete(t.requests, inode)
			t.finished++
			t.progress = t.at
		}
	}
}

func queuedAt(waited []Waiting, c Conn) time.Time {
	for _, w := range waited {
		if !w.Gone && (w.Peer != 0 && w.Peer == c.Peer || w.Remote.IsValid() && w.Remote == c.Remote) {
			return w.Since
		}
	}
	return time.Time{}
}

// holders are the workers of which a process holds the connection.
func (s *Sample) holders(inode Inode) []int {
	var ids []int
	pids := s.Held.By[inode]
	for _, w := range s.Workers {
		if slices.ContainsFunc(w.PIDs, func(pid int) bool { return slices.Contains(pids, pid) }) {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

func (t *Tracker) board(s Sample) Board {
	b := Board{
		At:       t.at,
		QueueErr: s.QueueErr, Queue: t.queue, QueuedSince: t.queuedSince,
		WaitersErr: s.WaitersErr, Waiting: slices.Clone(t.waiting), AbandonedTotal: t.abandonedTotal, Left: t.left,
		ConnsErr: s.ConnsErr, Seen: t.seen, Finished: t.finished, Progress: t.progress,
	}
	for _, w := range t.waiting {
		if w.Gone {
			b.Abandoned++
		}
	}
	for _, r := range t.requests {
		switch {
		case s.Answered[r.Inode]:
			b.Answered = append(b.Answered, r.Request)
			continue
		case s.Kept[r.Inode]:
			b.Kept = append(b.Kept, r.Request)
			continue
		}
		b.Requests = append(b.Requests, r.Request)
		if r.Gone {
			b.Orphaned++
		}
		if len(r.Workers) == 0 {
			b.Unattributed++
		}
	}
	slices.SortFunc(b.Requests, func(x, y Request) int {
		if c := x.Since.Compare(y.Since); c != 0 {
			return c
		}
		return cmp.Compare(x.Inode, y.Inode)
	})
	return b
}

func (t *Tracker) observeWorkers(s Sample) []WorkerView {
	views := make([]WorkerView, 0, len(s.Workers))
	known := make(map[int]*trackedWorker, len(s.Workers))
	for _, w := range s.Workers {
		state := t.workers[w.ID]
		if state == nil {
			state = &trackedWorker{since: t.at}
		}
		known[w.ID] = state
		views = append(views, t.view(w, state, s))
	}
	t.workers = known
	return views
}

func (t *Tracker) view(w Worker, state *trackedWorker, s Sample) WorkerView {
	v := WorkerView{ID: w.ID}
	kept := 0
	for _, r := range t.requests {
		if !slices.Contains(r.Workers, w.ID) || s.Answered[r.Inode] {
			continue
		}
		if s.Kept[r.Inode] {
			kept++
			continue
		}
		v.Requests++
		if v.Oldest.IsZero() || r.Since.Before(v.Oldest) {
			v.Oldest = r.Since
		}
		if !r.counted[w.ID] {
			r.counted[w.ID] = true
			state.seen++
		}
	}
	now, err := s.activity(w, v.Requests, kept)
	v.Activity, v.Err, v.Seen = now, err, state.seen
	if now == NotKnown {
		return v
	}
	if now != state.activity {
		state.activity, state.since = now, t.at
	}
	v.Since = state.since
	return v
}

// activity is that of a worker seen to hold some requests. It is idle if
// there is no request it could be holding unseen.
func (s *Sample) activity(w Worker, holding, kept int) (Activity, error) {
	switch {
	case s.ConnsErr != nil:
		return NotKnown, s.ConnsErr
	case holding > 0:
		return Busy, nil
	case kept > 0:
		return OnlyKept, nil
	case !s.unattributed():
		return Idle, nil
	}
	for _, pid := range w.PIDs {
		if err := s.Held.Unreadable[pid]; err != nil {
			return NotKnown, errors.Join(errUnreadable, err)
		}
	}
	return Idle, nil
}

func (s *Sample) unattributed() bool {
	return slices.ContainsFunc(s.Conns, func(c Conn) bool { return len(s.holders(c.Inode)) == 0 })
}
