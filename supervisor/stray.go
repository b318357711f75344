package supervisor

import (
	"os"
	"slices"
	"syscall"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// sweepRounds bounds the rounds of sweepStrays: what a stray has forked becomes
// ours only when the stray is dead.
const sweepRounds = 5

// sweepStrays kills the processes that have left their group and yet hold the
// listener: a program that turns itself into a daemon leaves one behind with
// each attempt, and it would go on taking requests that nobody supervises. As
// their subreaper (prctl(2)) we know them as our children.
func (h *Starter) sweepStrays() (killed []int) {
	for range sweepRounds {
		strays := h.strays()
		if len(strays) == 0 {
			return killed
		}
		for _, pid := range strays {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed = append(killed, pid)
			}
		}
	}
	return killed
}

// strays are our children that we have not started and that hold the listener.
func (h *Starter) strays() []int {
	inode := h.Socket.Listener().Inode()
	return scoreboard.Holds(h.foreign(), []scoreboard.Conn{{Inode: inode}}).By[inode]
}

// foreign are our children that we have not started.
func (h *Starter) foreign() []int {
	if !h.Spawner.everybody {
		return nil
	}
	all, err := scoreboard.Processes()
	if err != nil {
		return nil
	}
	self := os.Getpid()
	return slices.DeleteFunc(all, func(pid int) bool {
		stat, err := scoreboard.ReadStat(pid)
		return err != nil || stat.Parent != self || !stat.Alive() || h.Spawner.started(stat.Group)
	})
}

// started tells whether a process group is one of ours.
func (s *Spawner) started(group int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.children[group] != nil
}
