package scoreboard

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Conduct tells connections that carry a request from those that are open for
// another reason, by what their holders do and have done:
//
//   - answered: who accepted it is in accept again, or has closed its copy, and only
//     processes have it that came to it by inheritance, as a job that a program has
//     started in the background;
//   - kept: its worker has answered on it, has had nothing from it since, and is
//     blocked in reading from it, which is a client that keeps it for later.
//
// A process that accepts in one thread may serve in another, and an event loop
// serves while it polls: of those nothing is said but by inheritance. That a worker
// has answered is told by the bytes that it has written (/proc/PID/io) since it was
// last seen without a connection; one that uses send(2) is not counted there, and
// one with threads writes for others, so of theirs nothing is said; nor is it of one
// that has started a process since the connection came, or has written to a file other
// than by appending: that may be an upload whose client pauses. Safe for concurrent use.
// The zero value is ready.
type Conduct struct {
	mu sync.Mutex
	// last is when it was last asked, in ticks since boot as processes' starts are.
	last uint64
	// absent is when a connection was last known not to exist; 0: never.
	absent map[Inode]uint64
	// done are the connections that were found answered: while their worker serves the
	// next one it does not show that any more.
	done  map[Inode]bool
	marks map[int]mark
	rests map[Inode]rest
}

// Group is a worker: the first of its processes, and all of them.
type Group struct {
	Leader int
	PIDs   []int
}

// mark is what a process had read and written when it was last seen without a
// connection, or when its present one was first seen, or was last found at rest.
type mark struct {
	start, read, written uint64
	// rested: a rest that one look misses goes on if nothing was read since.
	rested bool
	// files are those open for writing when the process was first seen, or later without a connection.
	files positions
	// renew: files have changed, and are read again when it has no connection.
	renew bool
}

// rest is since when a worker has been blocked reading from a connection, having
// answered, and what it had read and written then.
type rest struct {
	since         time.Time
	read, written uint64
	pid           int
}

// restFor is for how long a connection must have been at rest to be called kept.
const restFor = time.Second

// listSlack is how old a list of connections may be, in ticks, generously.
const listSlack = 50

// ticks per second of a process's start, proc_pid_stat(5): the same on all of Linux.
const ticks = 100

// bootTicks is now, as processes' starts are counted.
func bootTicks() uint64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return uint64(t.Sec)*ticks + uint64(t.Nsec)/(1e9/ticks)
}

// Judge tells which of the listener's connections are answered, and which are kept.
// held says who holds them of the processes of all groups; others are forgotten.
// In kept those are false that are at rest, but not yet for long enough.
func (c *Conduct) Judge(listener Inode, groups []Group, conns []Conn, held Holdings) (answered, kept map[Inode]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remember(conns)
	answered, kept, marks, rests := c.look(listener, groups, conns, held)
	c.marks, c.rests = marks, rests
	return answered, kept
}

// Of is Judge about one group of several.
func (c *Conduct) Of(listener Inode, g Group, conns []Conn, held Holdings) (answered, kept map[Inode]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remember(conns)
	answered, kept, marks, rests := c.look(listener, []Group{g}, conns, held)
	if c.marks == nil {
		c.marks, c.rests = map[int]mark{}, map[Inode]rest{}
	}
	for inode, r := range c.rests {
		if _, still := rests[inode]; !still && slices.Contains(g.PIDs, r.pid) {
			delete(c.rests, inode)
		}
	}
	maps.Copy(c.marks, marks)
	maps.Copy(c.rests, rests)
	return answered, kept
}

// look is one look at groups. The caller holds c.mu.
func (c *Conduct) look(listener Inode, groups []Group, conns []Conn, held Holdings) (answered, kept map[Inode]bool, marks map[int]mark, rests map[Inode]rest) {
	answered, kept = map[Inode]bool{}, map[Inode]bool{}
	now := time.Now()
	open := map[Inode]Conn{}
	for _, conn := range conns {
		open[conn.Inode] = conn
	}
	marks, rests = map[int]mark{}, map[Inode]rest{}
	for _, g := range groups {
		census := newCensus(listener, g, held)
		for inode, by := range held.By {
			if census.has(by) && (c.done[inode] || census.answered(by, c.absent[inode])) {
				answered[inode] = true
			}
		}
		for _, pid := range g.PIDs {
			c.follow(pid, census, open, answered, marks, rests, now)
		}
	}
	if c.done == nil {
		c.done = map[Inode]bool{}
	}
	maps.Copy(c.done, answered)
	for inode, r := range rests {
		kept[inode] = now.Sub(r.since) >= restFor
	}
	return answered, kept, marks, rests
}

// remember notes since when connections have been there.
func (c *Conduct) remember(conns []Conn) {
	absent := make(map[Inode]uint64, len(conns))
	for _, conn := range conns {
		at, known := c.absent[conn.Inode]
		if !known {
			at = c.last
		}
		absent[conn.Inode] = at
	}
	maps.DeleteFunc(c.done, func(inode Inode, _ bool) bool { _, open := absent[inode]; return !open })
	c.absent, c.last = absent, bootTicks()
	c.last -= min(c.last, listSlack)
}

// follow compares what a process has read and written with what it had.
func (c *Conduct) follow(pid int, census *census, open map[Inode]Conn, answered map[Inode]bool, marks map[int]mark, rests map[Inode]rest, now time.Time) {
	p := census.process(pid)
	if p.err != nil || p.stat.Threads != 1 {
		return
	}
	read, written, err := transferred(pid)
	if err != nil {
		return
	}
	here := mark{start: p.stat.Start, read: read, written: written}
	var holds []Inode
	for _, inode := range census.holds(pid) {
		if !answered[inode] {
			holds = append(holds, inode)
		}
	}
	before, known := c.marks[pid]
	known = known && before.start == p.stat.Start
	here.files = before.files
	switch {
	case len(holds) == 0 && census.acceptor(pid).takes, len(holds) > 0 && !known:
		// Read before it was seen in accept: what it has written since may be an answer
		// on a connection that came after the list was made.
		if !known || before.renew {
			if here.files, err = openFiles(pid); err != nil {
				return
			}
		}
		marks[pid] = here
		return
	case !known:
		return
	}
	marks[pid] = before
	inode, err := thread{pid, pid}.reads()
	conn, ours := open[inode]
	if err != nil || !ours || conn.Gone || conn.Unread > 0 || !slices.Contains(holds, inode) || census.forked(pid, inode, c.absent[inode]) {
		return
	}
	switch r, resting := c.rests[inode]; {
	case resting && r.pid == pid && r.read == read && r.written == written:
		rests[inode] = r
	case written > before.written, before.rested && read == before.read:
		if files, err := openFiles(pid); err != nil || before.files.advanced(files) {
			before.renew = true
			marks[pid] = before
			return
		}
		here.rested = true
		marks[pid] = here // the next request needs an answer of its own
		rests[inode] = rest{now, read, written, pid}
	}
}

// census is what is known of a group's processes, each asked once.
type census struct {
	listener Inode
	group    Group
	held     Holdings
	known    map[int]*citizen
}

type citizen struct {
	stat Stat
	err  error
	// takes: a thread of it waits for the next connection; blocked: it has one thread, and that is in accept(2) itself.
	asked, takes, blocked bool
}

func newCensus(listener Inode, g Group, held Holdings) *census {
	return &census{listener, g, held, map[int]*citizen{}}
}

func (s *census) process(pid int) *citizen {
	p := s.known[pid]
	if p == nil {
		p = &citizen{}
		p.stat, p.err = ReadStat(pid)
		s.known[pid] = p
	}
	return p
}

// acceptor is a process with what it does about the listener, or would once SIGCONT came.
func (s *census) acceptor(pid int) *citizen {
	p := s.process(pid)
	if p.asked || p.err != nil {
		return p
	}
	p.asked = true
	_ = eachThread(p.stat, func(t thread) bool {
		a := t.acceptance(s.listener)
		p.takes = p.takes || a.State == InAccept
		p.blocked = p.blocked || a.State == InAccept && strings.HasPrefix(a.Reason, "in accept") && p.stat.Threads == 1
		return !p.takes
	})
	return p
}

// has reports whether a process of the group is among the holders.
func (s *census) has(by []int) bool {
	return slices.ContainsFunc(by, func(pid int) bool { return slices.Contains(s.group.PIDs, pid) })
}

// holds are the connections of a process.
func (s *census) holds(pid int) (all []Inode) {
	for inode, by := range s.held.By {
		if slices.Contains(by, pid) {
			all = append(all, inode)
		}
	}
	return all
}

// answered reports whether a connection, held by these and known to be absent at a
// time, has been answered: none of its holders serves it, and some process of the
// group takes the next.
func (s *census) answered(by []int, absent uint64) bool {
	took := false
	for _, pid := range by {
		if !slices.Contains(s.group.PIDs, pid) {
			continue
		}
		if s.serves(pid, by, absent) {
			return false
		}
		took = took || s.acceptor(pid).blocked
	}
	return took || slices.ContainsFunc(s.group.PIDs, func(pid int) bool { return !slices.Contains(by, pid) && s.acceptor(pid).takes })
}

// serves reports whether a holder may be serving the connection: it was there before
// the connection, or was forked by a process that only manages others, so that it
// has accepted it; and it is not in accept(2) again.
func (s *census) serves(pid int, by []int, absent uint64) bool {
	p := s.process(pid)
	if p.err != nil {
		return false // it has ended
	}
	own := pid == s.group.Leader || absent > 0 && p.stat.Start < absent || s.managed(p.stat.Parent, by)
	return own && !s.acceptor(pid).blocked
}

// forked reports whether a child of the process lives that was started since a connection was known to be absent, and
// not for another one: a program that hands an upload on to it, as fcgiwrap does, has written, and has not answered.
func (s *census) forked(pid int, inode Inode, absent uint64) bool {
	return slices.ContainsFunc(s.group.PIDs, func(other int) bool {
		p := s.process(other)
		if p.err != nil || p.stat.Parent != pid || !p.stat.Alive() || absent > 0 && p.stat.Start < absent {
			return false
		}
		holds := s.holds(other)
		return len(holds) == 0 || slices.Contains(holds, inode)
	})
}

// managed reports whether a process's parent is one that forks workers and does not serve.
func (s *census) managed(parent int, by []int) bool {
	return slices.Contains(s.group.PIDs, parent) && !slices.Contains(by, parent) &&
		len(s.holds(parent)) == 0 && !s.acceptor(parent).takes
}

// transferred is what a process has read and written by read(2), write(2) and
// their kin, proc_pid_io(5).
func transferred(pid int) (read, written uint64, err error) {
	var buf [512]byte
	b, err := readProc(procDir(pid)+"/io", buf[:])
	if err != nil {
		return 0, 0, err
	}
	return parseIO(b)
}
