package scoreboard

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// look n of a tracker story is made at n seconds.
func second(n int) time.Time { return time.Unix(int64(n), 0) }

func seconds(t time.Time) int {
	if t.IsZero() {
		return -1
	}
	return int(t.Unix())
}

// held is what a sample says: connection, holder's pid (0: none).
func held(pairs ...int) (conns []Conn, h Holdings) {
	h.By = map[Inode][]int{}
	for i := 0; i < len(pairs); i += 2 {
		c := Inode(pairs[i])
		conns = append(conns, Conn{Inode: c, Peer: c + 1000})
		if pid := pairs[i+1]; pid != 0 {
			h.By[c] = append(h.By[c], pid)
		}
	}
	return conns, h
}

func waiters(peers ...int) []Waiter {
	list := []Waiter{}
	for _, p := range peers {
		list = append(list, Waiter{Peer: Inode(p), Gone: p == 0})
	}
	return list
}

var twoWorkers = []Worker{{ID: 1, PIDs: []int{10, 11}}, {ID: 2, PIDs: []int{20}}}

func TestTrackerRequests(t *testing.T) {
	var tr Tracker
	look := func(n int, pairs ...int) Board {
		s := Sample{At: second(n), Workers: twoWorkers}
		s.Conns, s.Held = held(pairs...)
		return tr.Observe(s)
	}
	type worker struct {
		activity                     Activity
		since, requests, oldest, cnt int
	}
	check := func(b Board, inFlight, oldest, unattributed, seen, finished, progress int, workers ...worker) {
		t.Helper()
		if len(b.Requests) != inFlight || seconds(b.Oldest()) != oldest || b.Unattributed != unattributed ||
			int(b.Seen) != seen || int(b.Finished) != finished || seconds(b.Progress) != progress {
			t.Errorf("at %d: in flight %d, oldest %d, unattributed %d, seen %d, finished %d, progress %d", seconds(b.At),
				len(b.Requests), seconds(b.Oldest()), b.Unattributed, b.Seen, b.Finished, seconds(b.Progress))
		}
		for i, want := range workers {
			w := b.Workers[i]
			if got := (worker{w.Activity, seconds(w.Since), w.Requests, seconds(w.Oldest), int(w.Seen)}); got != want {
				t.Errorf("at %d, worker %d: %+v, want %+v", seconds(b.At), w.ID, got, want)
			}
		}
	}
	idle := worker{Idle, 1, 0, -1, 0}
	check(look(1), 0, -1, 0, 0, 0, -1, idle, idle)
	check(look(2, 100, 10), 1, 2, 0, 1, 0, 2, worker{Busy, 2, 1, 2, 1}, idle)
	check(look(3, 100, 10, 101, 11), 2, 2, 0, 2, 0, 3, worker{Busy, 2, 2, 2, 2}, idle)
	check(look(4, 100, 10, 101, 11), 2, 2, 0, 2, 0, 3, worker{Busy, 2, 2, 2, 2}, idle)
	// The first ends, another comes: busy throughout, but a younger oldest.
	check(look(5, 101, 11, 102, 20), 2, 3, 0, 3, 1, 5, worker{Busy, 2, 1, 3, 2}, worker{Busy, 5, 1, 5, 1})
	check(look(6, 103, 0), 1, 6, 1, 4, 3, 6, worker{Idle, 6, 0, -1, 2}, worker{Idle, 6, 0, -1, 1})
	// Whom it belongs to is seen late.
	check(look(7, 103, 20), 1, 6, 0, 4, 3, 6, worker{Idle, 6, 0, -1, 2}, worker{Busy, 7, 1, 6, 2})
	// A child of the first worker inherited the second's connection.
	s := Sample{At: second(8), Workers: twoWorkers}
	s.Conns, s.Held = held(103, 20)
	s.Held.By[103] = []int{20, 11}
	b := tr.Observe(s)
	check(b, 1, 6, 0, 4, 3, 6, worker{Busy, 8, 1, 6, 3}, worker{Busy, 7, 1, 6, 2})
	if !slices.Equal(b.Requests[0].Workers, []int{1, 2}) {
		t.Errorf("%+v", b.Requests)
	}
}

func TestTrackerKeepsAgesOverAFailedLook(t *testing.T) {
	var tr Tracker
	s := Sample{At: second(1), Workers: twoWorkers, Queue: Queue{Length: 2}, Waiters: waiters(1, 2)}
	s.Conns, s.Held = held(100, 10)
	tr.Observe(s)
	broken := errors.New("broken")
	b := tr.Observe(Sample{At: second(2), Workers: twoWorkers, QueueErr: broken, WaitersErr: broken, ConnsErr: broken})
	if b.QueueErr == nil || b.WaitersErr == nil || b.ConnsErr == nil || len(b.Requests) != 1 || b.Finished != 0 ||
		b.Workers[0].Activity != NotKnown || b.Workers[1].Activity != NotKnown || b.Workers[0].Err == nil {
		t.Errorf("%+v", b)
	}
	s.At = second(3)
	b = tr.Observe(s)
	if seconds(b.Oldest()) != 1 || seconds(b.Head()) != 1 || seconds(b.QueuedSince) != 1 || seconds(b.Workers[0].Since) != 1 ||
		seconds(b.Workers[1].Since) != 1 || b.Workers[0].Seen != 1 {
		t.Errorf("%+v", b)
	}
}

// A worker whose descriptors cannot be read is idle only when no connection is
// left that it could hold.
func TestTrackerDoesNotGuessIdle(t *testing.T) {
	var tr Tracker
	s := Sample{At: second(1), Workers: twoWorkers}
	s.Conns, s.Held = held(100, 20, 101, 0)
	s.Held.Unreadable = map[int]error{11: unix.EACCES}
	b := tr.Observe(s)
	if b.Workers[0].Activity != NotKnown || !errors.Is(b.Workers[0].Err, unix.EACCES) || b.Workers[1].Activity != Busy {
		t.Errorf("%+v", b.Workers)
	}
	unreadable := s.Held.Unreadable
	s.At = second(2)
	s.Conns, s.Held = held(100, 20)
	s.Held.Unreadable = unreadable
	if b := tr.Observe(s); b.Workers[0].Activity != Idle {
		t.Errorf("%+v", b.Workers)
	}
}

func TestTrackerOrphans(t *testing.T) {
	var tr Tracker
	s := Sample{At: second(1), Workers: twoWorkers}
	s.Conns, s.Held = held(100, 10)
	tr.Observe(s)
	s.At, s.Conns = second(2), []Conn{{Inode: 100, Gone: true}}
	tr.Observe(s)
	s.At = second(3)
	b := tr.Observe(s)
	if b.Orphaned != 1 || seconds(b.Requests[0].GoneSince) != 2 || seconds(b.Requests[0].Since) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestTrackerQueue(t *testing.T) {
	type look struct {
		now      []int // peers, 0: gone
		accepted []int // peers
		since    []int
		total    int // abandoned so far
		left     int // the queue so far
	}
	for name, looks := range map[string][]look{
		"in order": {
			{[]int{1, 2, 3}, nil, []int{1, 1, 1}, 0, 0},
			{[]int{2, 3, 4}, nil, []int{1, 1, 2}, 0, 1},
			{[]int{3, 4}, nil, []int{1, 2}, 0, 2},
			{nil, nil, nil, 0, 4},
		},
		"one goes while it waits": {
			{[]int{1, 2, 3}, nil, []int{1, 1, 1}, 0, 0},
			{[]int{1, 0, 3, 4}, nil, []int{1, 1, 1, 2}, 1, 0},
			{[]int{0, 3, 4}, nil, []int{1, 1, 2}, 1, 1},
			{[]int{3, 0}, nil, []int{1, 2}, 2, 2},
		},
		"gone when first seen": {
			{[]int{0, 0}, nil, []int{1, 1}, 2, 0},
			{[]int{0, 0, 0}, nil, []int{1, 1, 2}, 3, 0},
			{[]int{0}, nil, []int{2}, 3, 2},
		},
		"all new": {
			{[]int{1, 2}, nil, []int{1, 1}, 0, 0},
			{[]int{3, 4, 5}, nil, []int{2, 2, 2}, 0, 2},
		},
		"the accepted left for certain": {
			{[]int{1, 2}, nil, []int{1, 1}, 0, 0},
			{[]int{0, 4}, []int{1, 2}, []int{2, 2}, 1, 2},
		},
		"accepted between the two questions": {
			{[]int{1, 2}, nil, []int{1, 1}, 0, 0},
			{[]int{1, 2}, []int{1}, []int{1, 1}, 0, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var tr Tracker
			for i, l := range looks {
				s := Sample{At: second(i + 1), Queue: Queue{Length: len(l.now)}, Waiters: waiters(l.now...)}
				for j, p := range l.accepted {
					s.Conns = append(s.Conns, Conn{Inode: Inode(500 + j), Peer: Inode(p)})
				}
				b := tr.Observe(s)
				var since []int
				abandoned := 0
				for _, w := range b.Waiting {
					since = append(since, seconds(w.Since))
					if w.Gone {
						abandoned++
					}
				}
				if !slices.Equal(since, l.since) || int(b.AbandonedTotal) != l.total || b.Abandoned != abandoned {
					t.Errorf("look %d: since %v (want %v), abandoned %d, in total %d (want %d)",
						i+1, since, l.since, b.Abandoned, b.AbandonedTotal, l.total)
				}
				if int(b.Left) != l.left {
					t.Errorf("look %d: %d have left, want %d", i+1, b.Left, l.left)
				}
				if (len(l.now) == 0) != b.QueuedSince.IsZero() || len(l.now) > 0 && seconds(b.QueuedSince) != 1 {
					t.Errorf("look %d: queued since %d", i+1, seconds(b.QueuedSince))
				}
			}
		})
	}
}

func TestTrackerQueueOfTCP(t *testing.T) {
	var tr Tracker
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Loopback(), port) }
	tr.Observe(Sample{At: second(1), Waiters: []Waiter{{Remote: at(1)}, {Remote: at(2)}}})
	b := tr.Observe(Sample{
		At: second(2), Waiters: []Waiter{{Remote: at(3)}, {Remote: at(2), Gone: true}},
		Conns: []Conn{{Inode: 9, Remote: at(1)}},
	})
	if seconds(b.Waiting[0].Since) != 2 || seconds(b.Waiting[1].Since) != 1 || seconds(b.Waiting[1].GoneSince) != 2 ||
		b.AbandonedTotal != 1 || seconds(b.Head()) != 1 || seconds(b.Requests[0].Queued) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestTrackerKnowsHowLongARequestQueued(t *testing.T) {
	var tr Tracker
	tr.Observe(Sample{At: second(1), Waiters: waiters(1, 2)})
	tr.Observe(Sample{At: second(2), Waiters: waiters(2)})
	b := tr.Observe(Sample{At: second(3), Waiters: waiters(), Conns: []Conn{{Inode: 8, Peer: 2}, {Inode: 9, Peer: 7}}})
	if seconds(b.Requests[0].Queued) != 1 || seconds(b.Requests[1].Queued) != -1 {
		t.Errorf("%+v", b.Requests)
	}
}

// Observe and the kernel together: one busy, two waiting, one of them gone.
func TestTrackerOnRealSockets(t *testing.T) {
	eachKind(t, func(t *testing.T, k listenerKind) {
		l := k.make(t, 8)
		p := role(t, "accept", l.fd)
		var tr Tracker
		look := func() Board { return tr.Observe(sampleOf(l, []Worker{{ID: 7, PIDs: []int{p.pid}}})) }
		if b := look(); b.Workers[0].Activity != Idle {
			t.Fatalf("%+v", b)
		}
		dial(t, l)
		eventually(t, "busy", func() bool { b := look(); return b.Workers[0].Activity == Busy && b.Queue.Length == 0 })
		dial(t, l)
		c := dial(t, l)
		eventually(t, "waiting", func() bool { b := look(); return len(b.Waiting) == 2 && b.Abandoned == 0 })
		c.close()
		eventually(t, "abandoned", func() bool { b := look(); return b.Abandoned == 1 && b.AbandonedTotal == 1 && b.Queue.Length == 2 })
		if b := look(); len(b.Requests) != 1 || b.Workers[0].Seen != 1 || b.Seen != 1 || b.Unattributed != 0 {
			t.Errorf("%+v", b)
		}
	})
}

func sampleOf(l *Listener, workers []Worker) Sample {
	s := l.Look()
	s.At, s.Workers = time.Now(), workers
	s.Held = Holds(pidsOf(workers), s.Conns)
	return s
}

func pidsOf(workers []Worker) []int {
	var pids []int
	for _, w := range workers {
		pids = append(pids, w.PIDs...)
	}
	return pids
}

// TestTrackerCountsTheNextRequestFromTheRest: the age of a request on a connection that was at rest is not that of
// the connection.
func TestTrackerCountsTheNextRequestFromTheRest(t *testing.T) {
	var tr Tracker
	look := func(n int, kept map[Inode]bool) Board {
		s := Sample{At: second(n), Workers: twoWorkers, Kept: kept}
		s.Conns, s.Held = held(1, 10)
		return tr.Observe(s)
	}
	look(1, nil)
	if b := look(7, map[Inode]bool{1: true}); len(b.Requests) != 0 || len(b.Kept) != 1 {
		t.Errorf("kept: %d requests, %d kept", len(b.Requests), len(b.Kept))
	}
	if b := look(8, nil); seconds(b.Oldest()) != 7 {
		t.Errorf("after it was kept the request is since %d, want 7", seconds(b.Oldest()))
	}
	look(20, map[Inode]bool{1: false})
	if b := look(21, nil); seconds(b.Oldest()) != 20 || seconds(b.Workers[0].Oldest) != 20 {
		t.Errorf("after a short rest the request is since %d, want 20", seconds(b.Oldest()))
	}
}
