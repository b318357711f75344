package scoreboard

import (
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// strangers opens unix connections that belong to no listener of the test.
func strangers(t testing.TB, n int) {
	t.Helper()
	for range n / 2 {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	}
}

// TestOwnSeesWhatTheListSees: by the descriptors of the workers an instance has the same
// connections as by the list of the host's, from their accept to their end.
func TestOwnSeesWhatTheListSees(t *testing.T) {
	for _, kind := range kinds[:2] {
		l := kind.make(t, 8)
		p := role(t, "accept", l.fd)
		await(t, p.pid, l, InAccept)
		var own Own
		own.Listed(1000, nil)
		same := func(what string, want int) {
			t.Helper()
			eventually(t, what, func() bool { c, err := l.Accepted(); return err == nil && len(c) == want })
			listed, err := l.Accepted()
			must(t, err)
			s, told := own.Look(l, []int{p.pid, os.Getpid()}, 2)
			if !told || s.QueueErr != nil || !slices.Equal(sorted(s.Conns), sorted(listed)) {
				t.Errorf("%s: %v %+v, the list has %+v", what, told, s, listed)
			}
		}
		same("none", 0)
		c := dial(t, l)
		same("one", 1)
		mine := dial(t, l)
		fd := accept(t, l)
		same("another of a process with other sockets", 2)
		mine.close()
		same("one whose client has gone", 2)
		unix.Close(fd)
		same("one again", 1)
		c.send(t)
		same("none in the end", 0)
	}
}

// TestOwnRemembers: a connection that was seen stays until it is closed, in any process,
// and one that a process of no worker has accepted shows with the next list.
func TestOwnRemembers(t *testing.T) {
	l := listenUnix(t, 8)
	p := role(t, "accept", l.fd)
	await(t, p.pid, l, InAccept)
	dial(t, l)
	eventually(t, "it is accepted", func() bool { c, err := l.Accepted(); return err == nil && len(c) == 1 })
	var own Own
	own.Listed(1000, nil)
	look := func(pids ...int) int {
		s, told := own.Look(l, pids, 1)
		if !told {
			t.Fatal("it cannot tell")
		}
		return len(s.Conns)
	}
	if n := look(1 << 30); n != 0 {
		t.Errorf("%d connections of a process that is none", n)
	}
	if n := look(p.pid); n != 1 {
		t.Errorf("%d connections, one was accepted", n)
	}
	if n := look(1 << 30); n != 1 {
		t.Errorf("%d connections once another process holds it", n)
	}
	listed, err := l.Accepted()
	must(t, err)
	own = Own{}
	own.Listed(1000, listed)
	if n := look(1 << 30); n != 1 {
		t.Errorf("%d connections, one was listed", n)
	}
	own.listed = time.Now().Add(-listEvery - time.Second)
	if _, told := own.Look(l, []int{p.pid}, 1); told {
		t.Error("a list is due")
	}
}

// TestOwnIsForCrowds: where the host has few connections, or the process many workers, the list is cheaper.
func TestOwnIsForCrowds(t *testing.T) {
	l := listenUnix(t, 8)
	strangers(t, 2*perProcess)
	var shared Shared
	s := shared.Look(l, time.Now())
	must(t, s.ConnsErr)
	if n := shared.Size(); n < 2*perProcess {
		t.Fatalf("%d connections listed", n)
	}
	for size, cheaper := range map[int]bool{0: false, perProcess: false, 3 * perProcess: true} {
		var own Own
		own.Listed(size, nil)
		if _, told := own.Look(l, []int{os.Getpid()}, 2); told != cheaper {
			t.Errorf("%d connections of the host, 2 processes: by descriptors %v", size, told)
		}
		if _, told := own.Look(l, nil, 0); told {
			t.Error("by the descriptors of no process")
		}
	}
}

// BenchmarkOwn is a look at one instance on a host with 4,000 unix connections of others.
func BenchmarkOwn(b *testing.B) {
	l := listenUnix(b, 8)
	p := perl(b, perlWorker, l.fd)
	await(b, p.pid, l, InAccept)
	dial(b, l)
	eventually(b, "it is accepted", func() bool { c, err := l.Accepted(); return err == nil && len(c) == 1 })
	strangers(b, 4000)
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			l.Look()
		}
	})
	b.Run("descriptors", func(b *testing.B) {
		var own Own
		for b.Loop() {
			own.Listed(4000, nil)
			if s, told := own.Look(l, []int{p.pid}, 1); !told || len(s.Conns) != 1 {
				b.Fatal(s, told)
			}
		}
	})
}
