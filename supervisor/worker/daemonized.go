package worker

import (
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

const (
	// daemonTimeout bounds KillDaemonized: what a daemonized process has forked becomes ours only when that is dead, and
	// one that forks and exits again and again is a race.
	daemonTimeout = 500 * time.Millisecond
	// daemonPause is how long after the last kill there must be none.
	daemonPause = 5 * time.Millisecond
)

// KillDaemonized kills the processes that have left their group and yet hold the
// listener: a program that turns itself into a daemon leaves one behind with
// each attempt, and it would go on taking requests unsupervised. As
// their subreaper (prctl(2)) we know them as our children.
func (h *Starter) KillDaemonized() (killed []int) {
	for end, last := time.Now().Add(daemonTimeout), false; time.Now().Before(end); {
		found := false
		for _, pid := range slices.Backward(h.children()) { // the last one first, before it forks
			if h.isDaemon(pid) && syscall.Kill(pid, syscall.SIGKILL) == nil {
				found = true
				if !slices.Contains(killed, pid) {
					killed = append(killed, pid)
				}
			}
		}
		if !found && (last || len(killed) == 0) {
			break
		}
		if last = !found; last {
			time.Sleep(daemonPause)
		}
	}
	return killed
}

// isDaemon reports whether a process is a child of ours that we have not started and that holds the listener.
func (h *Starter) isDaemon(pid int) bool {
	inode := h.Socket.Listener().Inode()
	return h.hasEscaped(pid) && len(scoreboard.Holds([]int{pid}, []scoreboard.Conn{{Inode: inode}}).By[inode]) > 0
}

// escaped are our children that we have not started.
func (h *Starter) escaped() []int {
	return slices.DeleteFunc(h.children(), func(pid int) bool { return !h.hasEscaped(pid) })
}

// children are ours, the last ones last, or all processes of the host if that is not known.
func (h *Starter) children() []int {
	if !h.Spawner.everybody {
		return nil
	}
	all, err := scoreboard.Children(os.Getpid())
	if err != nil {
		all, _ = scoreboard.Processes()
	}
	return all
}

func (h *Starter) hasEscaped(pid int) bool {
	stat, err := scoreboard.ReadStat(pid)
	return err == nil && stat.Parent == os.Getpid() && stat.Alive() && !h.Spawner.started(stat)
}

// started reports whether a process is in a group of ours, or has left one and still belongs to it.
func (s *Spawner) started(stat scoreboard.Stat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.children[stat.Group]; c != nil && !c.groupGone {
		return true
	}
	for pid, c := range s.children {
		if c.group != nil && slices.Contains(c.group.groups.Outside(pid), scoreboard.Outsider{PID: stat.PID, Start: stat.Start}) {
			return true
		}
	}
	return false
}
