package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// quietLooks in a row find an address unused before it counts as such: a
// request may be between two looks.
const quietLooks = 5

// connections counts, by address, those that wait in the queue or are being
// served: the kernel knows of both, and of instances without a supervisor too. A
// unix socket is known by its file, TCP by address and port.
func connections(addresses []fcgisup.Address) (map[fcgisup.Address]int, error) {
	survey := scoreboard.NewSurvey()
	used := map[fcgisup.Address]int{}
	for _, a := range addresses {
		addr := a.Addr
		if a.Network == "tcp" {
			if ip, err := net.ResolveTCPAddr("tcp", addr); err == nil { // a name, or a port alone
				addr = ip.String()
			}
		}
		l, err := survey.Find(a.Network, addr)
		if errors.Is(err, scoreboard.ErrGone) || errors.Is(err, fs.ErrNotExist) {
			used[a] = 0
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for connections: %w", err)
		}
		used[a], err = inUseOf(survey, l)
		if err := errors.Join(err, l.Close()); err != nil {
			return nil, fmt.Errorf("cannot look for connections of %s: %w", a, err)
		}
	}
	return used, nil
}

// inUseOf counts the connections of a listener. Those of clients in another network
// namespace, such as a web server in a container, are in no list of ours but in the
// descriptors of the processes that have the listener.
func inUseOf(survey *scoreboard.Survey, l *scoreboard.Listener) (int, error) {
	sample := survey.Look(l)
	if err := errors.Join(sample.QueueErr, sample.ConnsErr); err != nil {
		return 0, err
	}
	n := sample.Queue.Length + len(sample.Conns)
	if n > 0 || l.Network() != "unix" {
		return n, nil
	}
	pids, err := scoreboard.Processes()
	if err != nil {
		return 0, err
	}
	held := scoreboard.Holds(pids, []scoreboard.Conn{{Inode: l.Inode()}})
	// Systemd accepts nothing. Of a process in another network namespace every unix
	// socket is unknown here, its connections to a database as well.
	workers := slices.DeleteFunc(held.By[l.Inode()], func(pid int) bool { return pid == 1 || !sharesNetwork(pid) })
	foreign, err := l.Foreign(workers)
	return len(foreign), err
}

func sharesNetwork(pid int) bool {
	theirs, err1 := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	ours, err2 := os.Readlink("/proc/self/ns/net")
	return err1 == nil && err2 == nil && theirs == ours
}

// quiet waits until no client uses the addresses any more, and says who did not
// become free when ctx ends.
func quiet(ctx context.Context, addresses []fcgisup.Address) (busy map[fcgisup.Address]int, err error) {
	looks := map[fcgisup.Address]int{}
	busy = map[fcgisup.Address]int{}
	for _, a := range addresses {
		busy[a] = 0
	}
	err = poll(ctx, func() (bool, error) {
		rest := make([]fcgisup.Address, 0, len(busy))
		for a := range busy {
			rest = append(rest, a)
		}
		used, err := connections(rest)
		if err != nil {
			return false, err
		}
		for a, n := range used {
			busy[a] = n
			looks[a]++
			if n > 0 {
				looks[a] = 0
			}
			if looks[a] >= quietLooks {
				delete(busy, a)
			}
		}
		return len(busy) == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return busy, err
}

// clearRuntime removes the runtime directories, which systemd keeps, of an app's
// instances above a number, but for those in which a supervisor listens.
func clearRuntime(root, app string, above int) error {
	dirs, err := filepath.Glob(filepath.Join(root, app+"-*"))
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	survey := scoreboard.NewSurvey()
	for _, dir := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), app+"-"))
		if err != nil || n <= above {
			continue
		}
		path := filepath.Join(dir, control.ControlName)
		if _, err := os.Lstat(path); err == nil && !control.Abandoned(peer.ListenersOf(survey), path) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil { // follows no links: the directory is the app's user's
			return fmt.Errorf("cannot remove a runtime directory: %w", err)
		}
	}
	return nil
}

// clearSockets removes the files of sockets where no process listens any more.
// systemd does so (RemoveOnStop=) as long as it knows the path, which a changed
// unit file makes it forget.
func clearSockets(addresses []fcgisup.Address) error {
	for _, a := range addresses {
		if a.Network != "unix" {
			continue
		}
		if err := listen.RemoveStale(a.Addr); err != nil {
			return fmt.Errorf("cannot remove the socket %s: %w", a.Addr, err)
		}
	}
	return nil
}
