package worker

import (
	"os"
	"slices"
	"syscall"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// daemonRounds bounds the rounds of KillDaemonized: what a daemonized process has forked becomes
// ours only when that is dead.
const daemonRounds = 5

// KillDaemonized kills the processes that have left their group and yet hold the
// listener: a program that turns itself into a daemon leaves one behind with
// each attempt, and it would go on taking requests unsupervised. As
// their subreaper (prctl(2)) we know them as our children.
func (h *Starter) KillDaemonized() (killed []int) {
	for range daemonRounds {
		daemons := h.listeningDaemons()
		if len(daemons) == 0 {
			return killed
		}
		for _, pid := range daemons {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed = append(killed, pid)
			}
		}
	}
	return killed
}

// listeningDaemons are our children that we have not started and that hold the listener.
func (h *Starter) listeningDaemons() []int {
	inode := h.Socket.Listener().Inode()
	return scoreboard.Holds(h.escaped(), []scoreboard.Conn{{Inode: inode}}).By[inode]
}

// escaped are our children that we have not started.
func (h *Starter) escaped() []int {
	if !h.Spawner.everybody {
		return nil
	}
	self := os.Getpid()
	all, err := scoreboard.Children(self)
	if err != nil {
		all, err = scoreboard.Processes()
	}
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(pid int) bool {
		stat, err := scoreboard.ReadStat(pid)
		return err != nil || stat.Parent != self || !stat.Alive() || h.Spawner.started(stat)
	})
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
