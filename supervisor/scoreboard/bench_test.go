package scoreboard

import (
	"bufio"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func BenchmarkQueue(b *testing.B) {
	for _, k := range []listenerKind{kinds[0], kinds[2]} {
		b.Run(k.name, func(b *testing.B) {
			l := k.make(b, 8)
			dial(b, l)
			for b.Loop() {
				if q, err := l.Queue(); err != nil || q.Length != 1 {
					b.Fatal(q, err)
				}
			}
		})
	}
	b.Run("fallback", func(b *testing.B) {
		l := listenUnix(b, 8)
		l.dial = refuse
		for b.Loop() {
			if q, err := l.Queue(); err != nil || q.Source != ProcNet {
				b.Fatal(q, err)
			}
		}
	})
}

func BenchmarkWaiting(b *testing.B) {
	l := listenUnix(b, 16)
	for range 10 {
		dial(b, l)
	}
	for b.Loop() {
		if w, err := l.Waiting(); err != nil || len(w) != 10 {
			b.Fatal(w, err)
		}
	}
}

func BenchmarkAccepted(b *testing.B) {
	for _, k := range []listenerKind{kinds[0], kinds[1], kinds[2]} {
		b.Run(k.name, func(b *testing.B) {
			l := k.make(b, 16)
			for range 8 {
				dial(b, l)
				fd := accept(b, l)
				b.Cleanup(func() { unix.Close(fd) })
			}
			for b.Loop() {
				if c, err := l.Accepted(); err != nil || len(c) != 8 {
					b.Fatal(c, err)
				}
			}
		})
	}
}

// BenchmarkSample is one look at an instance of 8 single-threaded workers: queue,
// who waits, connections, members of the 8 groups, who holds what, and the board.
// "idle" has no connection; "busy" 8 and two waiting; "all" also asks each worker
// what it is doing. Issue 3 allows 300 µs.
func BenchmarkSample(b *testing.B) {
	for _, k := range []listenerKind{kinds[0], kinds[2]} {
		for name, o := range map[string]sampleOptions{
			"idle": {}, "idle+all": {all: true}, "busy": {busy: true}, "busy+all": {busy: true, all: true},
			"new": {busy: true, fresh: true},
		} {
			b.Run(k.name+"/"+name, func(b *testing.B) { benchmarkSample(b, k.make(b, 16), o) })
		}
	}
}

// sampleOptions: fresh is the dear case, in which every connection is new.
type sampleOptions struct{ busy, all, fresh bool }

func benchmarkSample(b *testing.B, l *Listener, o sampleOptions) {
	var pids []int
	for range 8 {
		p := perl(b, perlWorker, l.fd)
		pids = append(pids, p.pid)
		await(b, p.pid, l, InAccept)
	}
	if o.busy {
		for range 10 {
			dial(b, l)
		}
		eventually(b, "8 busy", func() bool { c, err := l.Accepted(); return err == nil && len(c) == 8 })
	}
	var groups Groups
	var tracker Tracker
	var holders Holders
	for b.Loop() {
		members, err := groups.All(pids)
		must(b, err)
		var workers []Worker
		for i, pid := range pids {
			workers = append(workers, Worker{ID: pid, PIDs: members[i]})
		}
		s := l.Look()
		s.At, s.Workers = time.Now(), workers
		s.Held = holders.Find(pids, s.Conns)
		board := tracker.Observe(s)
		if o.fresh {
			tracker, holders.seen = Tracker{}, nil
		}
		if o.busy && (len(board.Requests) != 8 || len(board.Waiting) != 2 || board.Unattributed != 0) {
			b.Fatalf("%+v", board)
		}
		if !o.all {
			continue
		}
		for _, pid := range pids {
			if a, err := Accepting(pid, l.Inode()); err != nil || (a.State == InAccept) == o.busy {
				b.Fatal(a, err)
			}
		}
	}
}

// crowd makes 1,000 more processes on the host.
func crowd(b *testing.B) {
	path, err := exec.LookPath("perl")
	if err != nil {
		b.Skip("perl is not installed")
	}
	c := exec.Command(path, "-e", `for (1..999) { if (!fork) { sleep 3600; exit } } $| = 1; print "1\n"; sleep 3600`)
	out, err := c.StdoutPipe()
	must(b, err)
	start(b, c, -1)
	readNumbers(b, bufio.NewReader(out), 1)
}

func BenchmarkMembers(b *testing.B) {
	p := perl(b, perlWorker, listenUnix(b, 8).fd)
	for _, crowded := range []bool{false, true} {
		name := map[bool]string{false: "few", true: "1000"}[crowded]
		b.Run("scan/"+name, func(b *testing.B) {
			if crowded {
				crowd(b)
			}
			for b.Loop() {
				if list, err := Members(p.pid); err != nil || len(list) != 1 {
					b.Fatal(list, err)
				}
			}
		})
		b.Run("groups/"+name, func(b *testing.B) {
			if crowded {
				crowd(b)
			}
			var g Groups
			for b.Loop() {
				if list, err := g.Members(p.pid); err != nil || len(list) != 1 {
					b.Fatal(list, err)
				}
			}
		})
	}
}

func BenchmarkAccepting(b *testing.B) {
	for _, name := range []string{"perl", "poll", "net"} {
		b.Run(name, func(b *testing.B) {
			l := listenUnix(b, 8)
			var p process
			if name == "perl" {
				p = perl(b, perlWorker, l.fd)
			} else {
				p = role(b, name, l.fd)
			}
			await(b, p.pid, l, InAccept)
			for b.Loop() {
				if a, err := Accepting(p.pid, l.Inode()); err != nil || a.State != InAccept {
					b.Fatal(a, err)
				}
			}
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	p := perl(b, perlWorker, listenUnix(b, 8).fd)
	for b.Loop() {
		if _, kind, err := Memory(p.pid); err != nil || kind != PSS {
			b.Fatal(kind, err)
		}
	}
}

// BenchmarkTracker is the arithmetic alone, with 8 requests and 100 waiting.
func BenchmarkTracker(b *testing.B) {
	s := Sample{Held: Holdings{By: map[Inode][]int{}}}
	for i := range 8 {
		s.Conns = append(s.Conns, Conn{Inode: Inode(i + 1)})
		s.Held.By[Inode(i+1)] = []int{i}
		s.Workers = append(s.Workers, Worker{ID: i, PIDs: []int{i}})
	}
	for i := range 100 {
		s.Waiters = append(s.Waiters, Waiter{Peer: Inode(i + 500)})
	}
	var t Tracker
	now := time.Now()
	for b.Loop() {
		now = now.Add(time.Second)
		s.At = now
		if board := t.Observe(s); len(board.Requests) != 8 {
			b.Fatalf("%+v", board)
		}
	}
}

// BenchmarkShared is one look at 100 instances on a host with 2,000 unix
// connections of others, against 100 looks.
func BenchmarkShared(b *testing.B) {
	var listeners []*Listener
	for range 100 {
		listeners = append(listeners, listenUnix(b, 8))
	}
	for range 1000 {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(b, err)
		b.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	}
	var shared Shared
	for _, l := range listeners {
		shared.Look(l, time.Now()) // known from now on
	}
	b.Run("together", func(b *testing.B) {
		for b.Loop() {
			shared.Look(listeners[0], time.Now())
			for _, l := range listeners[1:] {
				shared.Look(l, time.Time{})
			}
		}
	})
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			for _, l := range listeners {
				l.Look()
			}
		}
	})
}
