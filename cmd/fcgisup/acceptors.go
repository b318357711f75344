package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// acceptors finds out whether a worker accepts on a socket of this host, without
// sending it anything: a program that answers requests may die of anything else.
// One may be asked by many; the zero value is ready.
type acceptors struct {
	once       sync.Once
	by         map[scoreboard.Inode][]int
	unreadable int
	failed     error
}

// reception is what the processes that hold a listener do about it.
type reception struct {
	// accepts: a worker waits for the next connection; polls: one waits for
	// descriptors that cannot be told.
	accepts, polls bool
	// workers hold the listener; systemd reports that systemd does, supervised that a
	// supervisor does.
	workers             int
	systemd, supervised bool
	// hidden tells that not all processes could be looked into, unclear that one that
	// holds the listener does what cannot be told.
	hidden, unclear bool
}

// at tells who accepts on a listener.
func (a *acceptors) at(listener scoreboard.Inode) (reception, error) {
	a.once.Do(func() {
		var pids []int
		if pids, a.failed = scoreboard.Processes(); a.failed != nil {
			return
		}
		var unreadable map[int]error
		a.by, unreadable = scoreboard.Sockets(pids)
		a.unreadable = len(unreadable)
	})
	r := reception{hidden: a.unreadable > 0}
	for _, pid := range a.by[listener] {
		if isSystemd(pid) {
			r.systemd = true
			continue
		}
		if supervises(pid) {
			r.supervised = true
			continue
		}
		r.workers++
		switch state, err := scoreboard.Accepting(pid, listener); {
		case err != nil: // it has ended
		case state.State == scoreboard.InAccept:
			r.accepts = true
		case state.State == scoreboard.Polling:
			r.polls = true
		case state.State == scoreboard.Unknown:
			r.unclear = true
		case state.State == scoreboard.Other:
		}
	}
	return r, a.failed
}

// sleeps reports whether only systemd holds the listener, and starts the service for the next
// connection. A supervisor's instance may sleep too, or be down: only the supervisor knows.
func (r reception) sleeps() bool { return r.systemd && !r.supervised && r.workers == 0 }

// isSystemd reports whether a process is systemd, the system's or a user's.
func isSystemd(pid int) bool {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return err == nil && strings.TrimSpace(string(name)) == "systemd"
}

// supervises reports whether a process is a supervisor: this program and, unlike a worker that
// it is, too, with no socket as its standard input.
func supervises(pid int) bool {
	if pid == os.Getpid() {
		return false
	}
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	exe, err := os.Readlink(filepath.Join(folder, "exe"))
	if err != nil {
		return false
	}
	own, err := os.Executable()
	exe = strings.TrimSuffix(exe, " (deleted)")
	if err != nil || exe != own && filepath.Base(exe) != "fcgisup" {
		return false
	}
	input, err := os.Readlink(filepath.Join(folder, "fd", "0"))
	return err == nil && !strings.HasPrefix(input, "socket:")
}

// why says why no worker is seen accepting.
func (r reception) why() string {
	switch {
	case r.workers == 0 && r.supervised:
		return "no worker has the socket open, only a supervisor that was not asked: name it with --config and --control"
	case r.workers == 0 && r.hidden:
		return "no worker is seen, but not all processes can be looked into: run it as root"
	case r.workers == 0:
		return "no worker has the socket open"
	case r.polls || r.unclear:
		return "whether a worker accepts cannot be seen: run it as root"
	case r.workers == 1:
		return "its worker does not accept"
	}
	return fmt.Sprintf("none of %d workers accepts", r.workers)
}

// nobodyListens tells whether an error of the surveyor means that.
func nobodyListens(err error) bool {
	return errors.Is(err, scoreboard.ErrGone) || errors.Is(err, os.ErrNotExist)
}
