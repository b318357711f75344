package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// listener is a listening stream socket of this network namespace.
type listener struct {
	address fcgisup.Address
	inode   scoreboard.Inode
	// acceptors have it as their standard input, as FastCGI programs do.
	acceptors []acceptor
}

// acceptor is a process that accepts on a listener.
type acceptor struct {
	pid  int
	name string
	// nonblocking is the flag of the open file, which all acceptors share.
	nonblocking bool
}

// kernel reads what the kernel tells; what it does not tell is a note.
func (f *facts) kernel() {
	f.gatherSomaxconn()
	var err error
	if f.listeners, err = listeners(); err != nil {
		f.note("kernel-not-read", "/proc/net", err.Error()+".", "")
	}
	if hidden := findAcceptors(f.listeners); hidden > 0 {
		f.note("processes-not-read", "/proc", fmt.Sprintf("%d of them are not readable. Which programs listen, and whether one has made its socket non-blocking, is known only for your own.", hidden), "sudo fcgisup doctor")
	}
}

func (f *facts) gatherSomaxconn() {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err == nil {
		f.somaxconn, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil {
		f.note("kernel-not-read", "net.core.somaxconn", err.Error()+".", "")
	}
}

// listeners are those of this network namespace that have an address, in its order. Abstract names are left out.
func listeners() ([]listener, error) {
	found, err := scoreboard.Listeners()
	var all []listener
	for inode, name := range found {
		if strings.HasPrefix(name, "/") {
			all = append(all, listener{address: peer.Canonical(fcgisup.Address{Network: "unix", Addr: name}), inode: inode})
		} else if at, err := netip.ParseAddrPort(name); err == nil {
			at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
			all = append(all, listener{address: fcgisup.Address{Network: "tcp", Addr: at.String()}, inode: inode})
		}
	}
	slices.SortFunc(all, func(a, b listener) int {
		return cmp.Or(cmp.Compare(a.address.Addr, b.address.Addr), cmp.Compare(a.inode, b.inode))
	})
	return all, err
}

// processes are all but the first, which holds sockets for systemd, in their order.
func processes() []int {
	all, _ := scoreboard.Processes()
	slices.Sort(all)
	return slices.DeleteFunc(all, func(pid int) bool { return pid == 1 })
}

// findAcceptors fills in who holds a listener as standard input, and counts the
// processes that may not be looked into.
func findAcceptors(all []listener) (hidden int) {
	at := map[string]int{}
	for i, l := range all {
		at[fmt.Sprintf("socket:[%d]", l.inode)] = i
	}
	for _, pid := range processes() {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", pid))
		if os.IsPermission(err) {
			hidden++
		}
		i, ok := at[link]
		if err != nil || !ok {
			continue
		}
		stat, err := scoreboard.ReadStat(pid)
		if err != nil {
			continue // it has ended
		}
		flags, err := scoreboard.FileFlags(pid, 0)
		all[i].acceptors = append(all[i].acceptors, acceptor{pid, stat.Command, err == nil && flags&unix.O_NONBLOCK != 0})
	}
	return hidden
}
