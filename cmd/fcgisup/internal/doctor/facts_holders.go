package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// unowned is a backend that a process listens on by itself.
type unowned struct {
	backend
	pid  int
	name string
	// unit is the service that the process is of, empty without one.
	unit string
}

// withoutUnit are the backends where something listens that no socket unit has
// opened, by the listener's inode.
func (f *facts) withoutUnit() map[uint64]backend {
	if !f.systemd {
		return nil
	}
	_, hasUnit := f.index()
	byPath, others := map[string]uint64{}, []listener{}
	for _, l := range f.listeners {
		if l.address.Network == "unix" {
			byPath[l.address.Addr] = l.inode
		} else {
			others = append(others, l)
		}
	}
	all := map[uint64]backend{}
	for _, b := range f.backends() {
		if hasUnit(b.address) {
			continue
		}
		if inode, ok := byPath[b.address.Addr]; ok {
			all[inode] = b
		}
		for _, l := range others {
			if peer.Serves(l.address, b.address) {
				all[l.inode] = b
			}
		}
	}
	return all
}

// gatherUnowned finds one process for each listener, the one that was first to
// have it as far as numbers tell. Processes that may not be looked into are left out.
func gatherUnowned(proc string, at map[uint64]backend) []unowned {
	if len(at) == 0 {
		return nil
	}
	var all []unowned
	seen := map[backend]bool{}
	for _, pid := range processIDs(proc) {
		folder := filepath.Join(proc, strconv.Itoa(pid))
		for _, inode := range socketsOf(folder) {
			b, ok := at[inode]
			if !ok || seen[b] {
				continue
			}
			seen[b] = true
			name, _ := os.ReadFile(filepath.Join(folder, "comm"))
			all = append(all, unowned{b, pid, strings.TrimSpace(string(name)), serviceOf(folder)})
		}
	}
	return all
}

// processIDs are all but the first process, which holds sockets for systemd.
func processIDs(proc string) []int {
	folders, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	var all []int
	for _, folder := range folders {
		if pid, err := strconv.Atoi(filepath.Base(folder)); err == nil && pid != 1 {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

// socketsOf are the inodes of a process's sockets.
func socketsOf(folder string) []uint64 {
	entries, err := os.ReadDir(filepath.Join(folder, "fd"))
	if err != nil {
		return nil
	}
	var all []uint64
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join(folder, "fd", e.Name()))
		var inode uint64
		if n, _ := fmt.Sscanf(link, "socket:[%d]", &inode); err == nil && n == 1 {
			all = append(all, inode)
		}
	}
	return all
}

var inService = term.Pattern(`(?m)^[0-9]+:[^:]*:(?:/[^/\n]*)*/([^/\n]+\.service)(?:/[^\n]*)?$`)

// serviceOf is the service whose control group a process is in, cgroups(7); what
// a person has started is in that of his session.
func serviceOf(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, "cgroup"))
	if err != nil {
		return ""
	}
	if m := inService().FindSubmatch(text); m != nil && !strings.HasPrefix(string(m[1]), "user@") {
		return string(m[1])
	}
	return ""
}
