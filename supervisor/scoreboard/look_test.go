package scoreboard

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old := listenAt(t, path, 8)
	dial(t, old)
	defer unix.Close(accept(t, old))
	must(t, os.Remove(path))
	listeners := []*Listener{old, listenAt(t, path, 8), kinds[2].make(t, 8), kinds[1].make(t, 8)}
	without := refused(t, listenUnix(t, 8))
	again, err := Open(old.fd)
	must(t, err)
	defer again.Close()
	listeners = append(listeners, without, again)
	for i, l := range listeners[1:5] {
		for range i + 2 {
			dial(t, l)
			if l.domain != unix.AF_UNIX {
				eventually(t, "in the queue", func() bool { q, err := l.Queue(); return err == nil && q.Length > 0 })
			}
			fd := accept(t, l)
			defer unix.Close(fd)
		}
		dial(t, l)
		wantQueue1(t, l)
	}
	var shared Shared
	for i, l := range listeners {
		s := shared.Look(l, time.Time{})
		if s.QueueErr != nil || s.ConnsErr != nil || s.WaitersErr != nil && l != without {
			t.Fatalf("%s: %+v", l, s)
		}
		conns, err := l.Accepted()
		must(t, err)
		want, queued := i+1, 1
		if l == old || l == again {
			want, queued = 1, 0
		}
		if len(conns) != want || s.Queue.Length != queued || !slices.Equal(sorted(s.Conns), sorted(conns)) {
			t.Errorf("%d, %s: %+v, by itself %+v", i, l, s, conns)
		}
	}
}

// A list is used as long as its age allows, and no longer.
func TestSharedAges(t *testing.T) {
	l := listenUnix(t, 8)
	var shared Shared
	look := func(since time.Time) int {
		s := shared.Look(l, since)
		must(t, s.ConnsErr)
		return len(s.Conns)
	}
	if n := look(time.Time{}); n != 0 {
		t.Fatalf("%d connections", n)
	}
	dial(t, l)
	defer unix.Close(accept(t, l))
	if n := look(time.Time{}); n != 0 {
		t.Errorf("%d connections in an old list", n)
	}
	since := time.Now()
	if n := look(since); n != 1 {
		t.Errorf("%d connections, 1 was accepted", n)
	}
	dial(t, l)
	defer unix.Close(accept(t, l))
	if n := look(since); n != 1 {
		t.Errorf("%d connections: the list was made again for the same question", n)
	}
	other := listenUnix(t, 8)
	dial(t, other)
	defer unix.Close(accept(t, other))
	if s := shared.Look(other, time.Time{}); len(s.Conns) != 1 {
		t.Errorf("the list did not know a listener, and shows %+v", s.Conns)
	}
}

func wantQueue1(t *testing.T, l *Listener) {
	t.Helper()
	eventually(t, "one waits", func() bool { q, err := l.Queue(); return err == nil && q.Length == 1 })
}

func sorted(conns []Conn) []Conn {
	slices.SortFunc(conns, func(a, b Conn) int { return int(a.Inode) - int(b.Inode) })
	return conns
}

func TestHoldersRemember(t *testing.T) {
	l := listenUnix(t, 8)
	a, b := role(t, "accept", l.fd), role(t, "accept", l.fd)
	pids := []int{a.pid, b.pid}
	var h Holders
	first, second := dial(t, l), dial(t, l)
	wantHeld(t, pids, wantConns(t, l, 2))
	for range 3 {
		conns := wantConns(t, l, 2)
		got, want := h.Find(pids, conns), Holds(pids, conns)
		for _, c := range conns {
			if len(want.By[c.Inode]) != 1 || !slices.Equal(got.By[c.Inode], want.By[c.Inode]) {
				t.Fatalf("%+v, want %+v", got, want)
			}
		}
	}
	old := wantConns(t, l, 2)
	first.send(t)
	second.send(t)
	wantConns(t, l, 0)
	// The descriptors are used again by other connections.
	dial(t, l)
	dial(t, l)
	conns := wantConns(t, l, 2)
	wantHeld(t, pids, conns)
	if got := h.Find(pids, conns); len(got.By[conns[0].Inode]) != 1 || len(got.By[conns[1].Inode]) != 1 {
		t.Errorf("%+v", got)
	}
	if got := h.Find(pids, old); len(got.By) != 0 {
		t.Errorf("closed connections are held: %+v", got)
	}
	h.Find(pids, conns)
	if got := h.Find([]int{a.pid}, conns); len(got.By[conns[0].Inode])+len(got.By[conns[1].Inode]) != 1 {
		t.Errorf("a process not asked about: %+v", got)
	}
}

// A connection passed on to another process is no longer where it was, which is
// noticed some looks later.
func TestHoldersLookAgain(t *testing.T) {
	l := listenUnix(t, 8)
	dial(t, l)
	fd := accept(t, l)
	conns := wantConns(t, l, 1)
	var h Holders
	twice, err := unix.Dup(fd) // still one holder
	must(t, err)
	unix.CloseOnExec(twice)
	if got := h.Find([]int{os.Getpid()}, conns); !slices.Equal(got.By[conns[0].Inode], []int{os.Getpid()}) {
		t.Fatalf("%+v", got)
	}
	unix.Close(twice)
	p := role(t, "sleep", fd)
	unix.Close(fd)
	for range believed {
		h.Find([]int{os.Getpid(), p.pid}, conns)
	}
	if got := h.Find([]int{os.Getpid(), p.pid}, conns); !slices.Equal(got.By[conns[0].Inode], []int{p.pid}) {
		t.Errorf("%+v, want %d", got, p.pid)
	}
}
