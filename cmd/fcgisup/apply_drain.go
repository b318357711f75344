package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// quietLooks in a row find an address unused before it counts as such: a
// request may be between two looks.
const quietLooks = 5

// connections counts, by address, those that wait in the queue or are being
// served: the kernel knows of both, and of instances without a supervisor too.
func connections(addresses []fcgisup.Address) (map[fcgisup.Address]int, error) {
	unixes, tcps := map[string]int{}, map[int]int{}
	for _, a := range addresses {
		if a.Network == "unix" {
			unixes[a.Addr] = 0
		} else {
			tcps[portOf(a)] = 0
		}
	}
	tables := map[string]func(string){
		"/proc/net/unix": func(text string) { countUnix(text, unixes) },
		"/proc/net/tcp":  func(text string) { countTCP(text, tcps) },
		"/proc/net/tcp6": func(text string) { countTCP(text, tcps) },
	}
	for path, count := range tables {
		if path == "/proc/net/unix" && len(unixes) == 0 || path != "/proc/net/unix" && len(tcps) == 0 {
			continue
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without that protocol
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for connections: %w", err)
		}
		count(string(text))
	}
	used := map[fcgisup.Address]int{}
	for _, a := range addresses {
		if a.Network == "unix" {
			used[a] = unixes[a.Addr]
		} else {
			used[a] = tcps[portOf(a)]
		}
	}
	return used, nil
}

func portOf(a fcgisup.Address) int {
	_, port, _ := net.SplitHostPort(a.Addr) // an Address of ours has one
	n, _ := strconv.Atoi(port)
	return n
}

// countUnix reads /proc/net/unix: Num RefCount Protocol Flags Type St Inode
// Path. The sockets with a listener's path are itself (__SO_ACCEPTCON in Flags),
// those accepted from it and, without an inode yet, those in its queue.
// Connections from another network namespace are in that one's table only.
func countUnix(text string, used map[string]int) {
	for path, listens := range unixSockets(text) {
		if _, ours := used[path]; ours && !listens {
			used[path]++
		}
	}
}

// unixSockets are the sockets of /proc/net/unix that have a path, and whether they listen.
func unixSockets(text string) iter.Seq2[string, bool] {
	const acceptCon = 1 << 16
	return func(yield func(string, bool) bool) {
		for line := range strings.Lines(text) {
			fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 7)
			if len(fields) < 7 {
				continue
			}
			// The inode is padded with spaces.
			_, path, ok := strings.Cut(strings.TrimLeft(fields[6], " "), " ")
			flags, err := strconv.ParseUint(fields[3], 16, 32)
			if ok && err == nil && !yield(path, flags&acceptCon != 0) {
				return
			}
		}
	}
}

// States of include/net/tcp_states.h in which a request may be under way; the others are before it or behind it.
const (
	tcpEstablished = "01"
	tcpSynReceived = "03"
	tcpCloseWait   = "08"
)

// countTCP reads /proc/net/tcp: sl local_address rem_address st ..., hexadecimal.
func countTCP(text string, used map[int]int) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		_, port, _ := strings.Cut(fields[1], ":")
		n, err := strconv.ParseUint(port, 16, 16)
		if _, ours := used[int(n)]; err != nil || !ours {
			continue
		}
		switch fields[3] {
		case tcpEstablished, tcpSynReceived, tcpCloseWait:
			used[int(n)]++
		}
	}
}

// quiet waits until nobody uses the addresses any more, and says who did not
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

// clearSockets removes the files of sockets where nobody listens any more.
// systemd does so (RemoveOnStop=) as long as it knows the path, which a changed
// unit file makes it forget.
func clearSockets(addresses []fcgisup.Address) error {
	for _, a := range addresses {
		if a.Network != "unix" {
			continue
		}
		if err := supervisor.RemoveStale(a.Addr); err != nil {
			return fmt.Errorf("cannot remove the socket %s: %w", a.Addr, err)
		}
	}
	return nil
}
