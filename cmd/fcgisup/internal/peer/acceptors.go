package peer

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

// Acceptors finds out whether a worker accepts on a socket of this host, without
// sending it anything: a program that answers requests may die of anything else.
// One may be asked by many; the zero value is ready.
type Acceptors struct {
	once       sync.Once
	by         map[scoreboard.Inode][]int
	unreadable int
	failed     error
}

// Reception is what the processes that hold a listener do about it.
type Reception struct {
	// Accepts: a worker waits for the next connection; polls: one waits for
	// descriptors that cannot be told.
	Accepts, Polls bool
	// Workers hold the listener; systemd reports that systemd does, supervised that a
	// supervisor does.
	Workers             int
	Systemd, Supervised bool
	// Hidden tells that not all processes could be looked into, unclear that one that
	// holds the listener does what cannot be told.
	Hidden, Unclear bool
}

// At tells who accepts on a listener.
func (a *Acceptors) At(listener scoreboard.Inode) (Reception, error) {
	a.once.Do(func() {
		var pids []int
		if pids, a.failed = scoreboard.Processes(); a.failed != nil {
			return
		}
		var unreadable map[int]error
		a.by, unreadable = scoreboard.Sockets(pids)
		a.unreadable = len(unreadable)
	})
	r := Reception{Hidden: a.unreadable > 0}
	for _, pid := range a.by[listener] {
		if isSystemd(pid) {
			r.Systemd = true
			continue
		}
		if supervises(pid) {
			r.Supervised = true
			continue
		}
		r.Workers++
		switch state, err := scoreboard.Accepting(pid, listener); {
		case err != nil: // it has ended
		case state.State == scoreboard.InAccept:
			r.Accepts = true
		case state.State == scoreboard.Polling:
			r.Polls = true
		case state.State == scoreboard.Unknown:
			r.Unclear = true
		case state.State == scoreboard.Other:
		}
	}
	return r, a.failed
}

// Sleeps reports whether only systemd holds the listener, and starts the service for the next
// connection. A supervisor's instance may sleep too, or be down: only the supervisor knows.
func (r Reception) Sleeps() bool { return r.Systemd && !r.Supervised && r.Workers == 0 }

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

// Why says why no worker is seen accepting.
func (r Reception) Why() string {
	switch {
	case r.Workers == 0 && r.Supervised:
		return "no worker has the socket open, only a supervisor that was not asked; name it with --config and --control"
	case r.Workers == 0 && r.Hidden:
		return "no worker was found, but not all processes are readable; run as root"
	case r.Workers == 0:
		return "no worker has the socket open"
	case r.Polls || r.Unclear:
		return "it is unknown whether a worker accepts; run as root"
	case r.Workers == 1:
		return "its worker does not accept"
	}
	return fmt.Sprintf("none of the %d workers accepts", r.Workers)
}

// NobodyListens reports whether an error of the surveyor means that.
func NobodyListens(err error) bool {
	return errors.Is(err, scoreboard.ErrGone) || errors.Is(err, os.ErrNotExist)
}
