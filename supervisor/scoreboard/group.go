package scoreboard

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Processes lists all processes that /proc shows to us: under hidepid= or
// ProtectProc=invisible those of the same user.
func Processes() ([]int, error) {
	list, err := numbersIn("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	return list, nil
}

// Members lists the live processes of a process group: zombies have left it.
// It looks at every process of the host; [Groups] does so once and then only at
// what has changed.
func Members(pgid int) ([]int, error) {
	list, err := Processes()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(pid int) bool {
		return !aliveIn(pid, pgid)
	})
	slices.Sort(list)
	return list, nil
}

// aliveIn reports whether pid lives in the group. A zombie has no executable any
// more: that link is a quarter of the price of the stat file, which answers where
// the link may not be read.
func aliveIn(pid, pgid int) bool {
	if group, err := unix.Getpgid(pid); err != nil || group != pgid {
		return false
	}
	var b [1]byte
	if _, err := unix.Readlink(procDir(pid)+"/exe", b[:]); err == nil {
		return true
	}
	s, err := ReadStat(pid)
	return err == nil && s.Group == pgid && s.Alive()
}

// Groups keeps the membership of process groups over many looks. Linux hands out
// pids in turn, and /proc/loadavg tells the last one, so after a first scan only
// pids handed out since need a look: getpgid(2) each, 0.2 µs, threads included.
// The members already known are read again each time. Where the turn cannot be
// followed (no /proc/loadavg under ProcSubset=pid, too many new pids, a wrap) it
// scans again, and every rescan looks anyway: a process may enter a group by
// setpgid(2), or be given its pid by clone3(2) out of turn.
//
// /proc/PID/task/TID/children would be another way, but it needs
// CONFIG_PROC_CHILDREN, misses members whose parent has died, and skips entries
// when children exit while it is read. It shows what has left a group, see [Groups.Track].
//
// A group whose last process has ended is forgotten.
//
// Safe for concurrent use. The zero value is ready.
type Groups struct {
	mu      sync.Mutex
	members map[int][]int // by group asked for
	last    int           // the last pid handed out when we looked
	at      time.Time     // when that was
	looks   int           // since the last scan
	tracked map[int]*outside
	// strangers counts what may be, or have, a process that has left a group: processes outside of all groups asked for
	// that have begun, and scans.
	strangers int
}

const (
	maxFresh = 4096 // getpgid of more costs as much as a scan of 1,000 processes
	rescan   = 64   // looks between scans
)

// Members lists the live processes of a group, by pid.
func (g *Groups) Members(pgid int) ([]int, error) {
	lists, err := g.All([]int{pgid})
	if err != nil {
		return nil, err
	}
	return lists[0], nil
}

// All lists the live processes of several groups, in the order asked, for the
// price of one look.
func (g *Groups) All(pgids []int) ([][]int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil {
		g.members = map[int][]int{}
	}
	for _, pgid := range pgids {
		if _, known := g.members[pgid]; !known {
			g.members[pgid] = nil
			g.looks = 0
		}
	}
	g.at = time.Now()
	if err := g.look(); err != nil {
		g.at = time.Time{}
		return nil, fmt.Errorf("cannot list process groups %v: %w", pgids, err)
	}
	lists := make([][]int, len(pgids))
	for i, pgid := range pgids {
		left := false
		live := slices.DeleteFunc(g.members[pgid], func(pid int) bool {
			in := aliveIn(pid, pgid)
			left = left || !in && exists(pid)
			return !in
		})
		g.members[pgid] = live
		if lists[i] = g.withOutside(pgid, live, left); len(lists[i]) == 0 {
			delete(g.members, pgid)
		}
	}
	return lists, nil
}

// Recent is All, or what All has said since that time. Some may
// have ended since.
func (g *Groups) Recent(pgids []int, since time.Time) ([][]int, error) {
	if lists := g.recent(pgids, since); lists != nil {
		return lists, nil
	}
	return g.All(pgids)
}

func (g *Groups) recent(pgids []int, since time.Time) [][]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at.IsZero() || g.at.Before(since) {
		return nil
	}
	lists := make([][]int, len(pgids))
	for i, pgid := range pgids {
		members, known := g.members[pgid]
		if !known {
			return nil
		}
		lists[i] = slices.Clone(members)
		if t := g.tracked[pgid]; t != nil && len(t.has) > 0 {
			lists[i] = append(lists[i], t.settled()...)
			slices.Sort(lists[i])
		}
	}
	return lists
}

// look brings the membership up to date. A member may fork while we look, hence
// until no pid has been handed out in between; a stopped group does not fork.
func (g *Groups) look() error {
	for range 3 {
		last, err := lastPID()
		fresh := last - g.last
		switch {
		case err != nil, g.looks == 0, g.looks >= rescan, fresh < 0, fresh > maxFresh:
			if err := g.scan(); err != nil {
				return err
			}
			g.last, g.looks = last, 1
		case fresh == 0:
			g.looks++
			return nil
		default:
			for pid := g.last + 1; pid <= last; pid++ {
				if !g.admit(pid) && exists(pid) {
					g.strangers++
				}
			}
			g.last = last
		}
		if err != nil {
			return nil // a scan each time
		}
	}
	return nil
}

func (g *Groups) scan() error {
	list, err := Processes()
	if err != nil {
		return err
	}
	for pgid := range g.members {
		g.members[pgid] = nil
	}
	for _, pid := range list {
		g.admit(pid)
	}
	g.strangers++
	// A group without a process is one that has ended: its number will be another's.
	for pgid, members := range g.members {
		if t := g.tracked[pgid]; len(members) == 0 && (t == nil || len(t.has) == 0) {
			delete(g.members, pgid)
		}
	}
	maps.DeleteFunc(g.tracked, func(pgid int, t *outside) bool { return len(t.has) == 0 && !exists(pgid) })
	return nil
}

// admit enters pid where it belongs, in order; false if that is in no group asked for.
func (g *Groups) admit(pid int) bool {
	pgid, err := unix.Getpgid(pid)
	if err != nil {
		return true // it has ended
	}
	list, asked := g.members[pgid]
	if t := g.tracked[pgid]; !asked || t != nil && t.emptied {
		return false
	}
	if !exists(pid) {
		return true
	}
	if i, found := slices.BinarySearch(list, pid); !found {
		g.members[pgid] = slices.Insert(list, i, pid)
	}
	return true
}

var errNoLastPID = errors.New("no last pid in /proc/loadavg")

// lastPID is the pid handed out last in our pid namespace (proc_loadavg(5)).
func lastPID() (int, error) {
	var buf [128]byte
	b, err := readProc("/proc/loadavg", buf[:])
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b)
	if len(f) != 5 {
		return 0, errNoLastPID
	}
	n, ok := parseNumber(f[4])
	if !ok {
		return 0, errNoLastPID
	}
	return n, nil
}
