package worker

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Some programs' workers leave the process group in which they were started: those behind su(1), sudo(8) with use_pty, or
// a program that calls setsid(2) for each child. They belong to the worker as long as they have the listener, see
// [scoreboard.Groups.Track], and get each signal by their own number.

// stopRounds bounds how often new ones are looked for before all are killed: each stopped process forks no more.
const stopRounds = 3

// signalAll signals the group, and those that have left it.
func (g *group) signalAll(sig syscall.Signal) error {
	g.groups.Settle(g.leader)
	return errors.Join(g.spawner.signal(g.leader, sig), g.signalOutside(sig, nil))
}

// signalOutside signals those that have left the group, but those that are in sent, and adds them.
func (g *group) signalOutside(sig syscall.Signal, sent map[scoreboard.Outsider]bool) error {
	var all error
	g.groups.Settle(g.leader)
	for _, o := range g.groups.Outside(g.leader) {
		if sent[o] {
			continue
		}
		if sent != nil {
			sent[o] = true
		}
		if err := signalOutsider(o, sig); err != nil {
			all = errors.Join(all, fmt.Errorf("cannot send %s to process %d, which has left process group %d: %w", sig, o.PID, g.leader, err))
		}
	}
	return all
}

// signalOutsider is kill(2) that cannot meet a later process of the same number; one that has ended is not an error.
func signalOutsider(o scoreboard.Outsider, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(o.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		defer unix.Close(fd)
	}
	if s, err := scoreboard.ReadStat(o.PID); err != nil || s.Start != o.Start {
		return nil
	}
	if err == nil {
		err = unix.PidfdSendSignal(fd, sig, nil, 0)
	} else { // before Linux 5.3, or in a sandbox
		err = unix.Kill(o.PID, sig)
	}
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// stopOutside finds those that have left the group and stops all, before they are killed: else one might fork another that
// is not found, since the death of its parent takes away what shows where it belongs.
func (g *group) stopOutside() {
	sent := map[scoreboard.Outsider]bool{}
	for range stopRounds {
		if _, err := g.groups.Members(g.leader); err != nil {
			return
		}
		before := len(sent)
		_ = g.signalOutside(syscall.SIGSTOP, sent) // SIGKILL will tell
		if len(sent) == before {
			return
		}
		_ = g.spawner.signal(g.leader, syscall.SIGSTOP)
	}
}
