package scoreboard

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Outsider is a process that has left its worker's process group, by setsid(2) or
// setpgid(2), and still has the listener open. With Start the number is an identity.
type Outsider struct {
	PID   int
	Start uint64
}

// outside is what is known of the processes that have left a group.
type outside struct {
	listener Inode
	// has are those with the listener, lacks those without: no process gets a listener later.
	has   map[int]outsider
	lacks map[int]uint64
	// walked is the count of Groups.strangers at the last walk.
	walked int
	// emptied is set once the group's last process has ended: its number may be another's.
	emptied bool
}

// outsider is one of them, and a descriptor in which it has the listener.
type outsider struct {
	start uint64
	fd    int
	// since is when it was first seen, as a child of parent; settled is set once it was still that settleTime later.
	since   time.Time
	parent  int
	settled bool
}

// settleTime is how long a process that has left a group keeps its parent before it belongs to the group. The parent of
// a daemon ends at once.
const settleTime = 500 * time.Millisecond

// maxOutside bounds a walk through the descendants of a group.
const maxOutside = 1024

// Track has a group counted with those of its processes that have left it, as the
// children of su(1), of sudo(8) with use_pty and of other wrappers do: processes with
// the listener whose parent belongs to the group, or has left it itself, for half a
// second. From then on such a process belongs to it until it ends or closes the
// listener, also when its parent has ended; one that loses its parent before, as a
// daemon does, never belongs to it.
//
// They are found through /proc/PID/task/TID/children of the group's own processes, so
// what other processes of the host do costs nothing. Where the kernel has no such file
// (CONFIG_PROC_CHILDREN) none is found.
func (g *Groups) Track(pgid int, listener Inode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tracked == nil {
		g.tracked = map[int]*outside{}
	}
	g.tracked[pgid] = &outside{listener: listener, has: map[int]outsider{}, walked: -1}
}

// Outside lists the processes that have left a tracked group, as of the last look, and of
// those the ones that still live; also those that do not belong to it yet.
func (g *Groups) Outside(pgid int) []Outsider {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.tracked[pgid]
	if t == nil || len(t.has) == 0 {
		return nil
	}
	g.recheck(t)
	list := make([]Outsider, 0, len(t.has))
	for _, pid := range slices.Sorted(maps.Keys(t.has)) {
		list = append(list, Outsider{pid, t.has[pid].start})
	}
	return list
}

// Settle has all that Outside lists belong to the group for good: their parent is about to be signalled.
func (g *Groups) Settle(pgid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.tracked[pgid]
	if t == nil {
		return
	}
	g.recheck(t)
	for pid, o := range t.has {
		o.settled = true
		t.has[pid] = o
	}
}

// settled are those that belong to the group, in order.
func (t *outside) settled() []int {
	var all []int
	for pid, o := range t.has {
		if o.settled {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

// withOutside adds to a group's live processes those that have left it. left tells that a process has gone from the group
// since the last look, and may live elsewhere.
func (g *Groups) withOutside(pgid int, live []int, left bool) []int {
	t := g.tracked[pgid]
	if t == nil {
		return slices.Clone(live)
	}
	g.recheck(t)
	if left || t.walked != g.strangers {
		t.walked = g.strangers
		g.walk(t, live)
	}
	t.emptied = t.emptied || len(live) == 0
	all := slices.Concat(live, t.settled())
	slices.Sort(all)
	return all
}

// recheck forgets those that have ended, have joined another group that is asked for, have closed the listener, or have lost
// their parent too soon.
func (g *Groups) recheck(t *outside) {
	for pid, o := range t.has {
		s, err := ReadStat(pid)
		if err != nil || s.Start != o.start || !s.Alive() || g.asked(s.Group) {
			delete(t.has, pid)
			continue
		}
		if !o.settled && s.Parent != o.parent {
			delete(t.has, pid)
			continue
		}
		o.settled = o.settled || time.Since(o.since) >= settleTime
		t.has[pid] = o
		if inode, err := socketInode(unix.AT_FDCWD, procDir(pid)+"/fd/"+strconv.Itoa(o.fd)); err == nil && inode == t.listener {
			continue
		}
		delete(t.has, pid)
		t.judge(s, o)
	}
}

// walk looks for processes outside among the descendants of those that are known.
func (g *Groups) walk(t *outside, live []int) {
	queue := slices.AppendSeq(slices.Clone(live), maps.Keys(t.has))
	seen := map[int]bool{}
	for _, pid := range queue {
		seen[pid] = true
	}
	lacked := t.lacks
	t.lacks = map[int]uint64{}
	for n := 0; n < len(queue); n++ {
		children, _ := Children(queue[n]) // one that has ended has none
		for _, child := range children {
			group, err := unix.Getpgid(child)
			if seen[child] || len(seen) >= maxOutside+len(live) || err != nil || g.asked(group) {
				continue
			}
			seen[child] = true
			queue = append(queue, child)
			s, err := ReadStat(child)
			switch {
			case err != nil || !s.Alive():
			case lacked[child] == s.Start:
				t.lacks[child] = s.Start
			default:
				t.judge(s, outsider{since: time.Now(), parent: queue[n]})
			}
		}
	}
}

// judge finds out whether a process, of which the rest is known, has the listener; one that cannot be read is asked again.
func (t *outside) judge(s Stat, known outsider) {
	at := -1
	err := eachSocket(s.PID, func(fd int, inode Inode) {
		if inode == t.listener {
			at = fd
		}
	})
	switch {
	case at >= 0:
		known.start, known.fd = s.Start, at
		t.has[s.PID] = known
	case err == nil && t.lacks != nil:
		t.lacks[s.PID] = s.Start
	}
}

func (g *Groups) asked(pgid int) bool {
	_, asked := g.members[pgid]
	return asked
}

// Children lists the children of a process, proc_pid_task(5): zombies too, and when
// some of them end meanwhile others may be missing.
func Children(pid int) ([]int, error) {
	tids, err := numbersIn(procDir(pid) + "/task")
	if err != nil {
		return nil, fmt.Errorf("cannot list the children of process %d: %w", pid, err)
	}
	var (
		all []int
		buf [16384]byte
	)
	for _, tid := range tids {
		b, err := readProcWhole(threadDir(pid, tid)+"/children", buf[:])
		if isGone(err) && exists(pid) && tid == pid {
			return nil, fmt.Errorf("%w: no /proc/PID/task/TID/children", ErrUnsupported)
		}
		if err != nil && !isGone(err) {
			return nil, fmt.Errorf("cannot list the children of process %d: %w", pid, err)
		}
		for field := range bytes.FieldsSeq(b) {
			if n, ok := parseNumber(field); ok {
				all = append(all, n)
			}
		}
	}
	return all, nil
}
