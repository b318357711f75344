package doctor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
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
func (f *facts) withoutUnit() map[scoreboard.Inode]backend {
	if !f.systemd {
		return nil
	}
	_, hasUnit := f.index()
	byPath, others := map[string]scoreboard.Inode{}, []listener{}
	for _, l := range f.listeners {
		if l.address.Network == "unix" {
			byPath[l.address.Addr] = l.inode
		} else {
			others = append(others, l)
		}
	}
	all := map[scoreboard.Inode]backend{}
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
func gatherUnowned(at map[scoreboard.Inode]backend) []unowned {
	if len(at) == 0 {
		return nil
	}
	first := map[backend]int{}
	holders, _ := scoreboard.Sockets(processes())
	for inode, b := range at {
		if pids := holders[inode]; len(pids) > 0 && (first[b] == 0 || pids[0] < first[b]) {
			first[b] = pids[0]
		}
	}
	var all []unowned
	for b, pid := range first {
		stat, _ := scoreboard.ReadStat(pid)
		all = append(all, unowned{b, pid, stat.Command, serviceOf(fmt.Sprintf("/proc/%d", pid))})
	}
	slices.SortFunc(all, func(a, b unowned) int {
		return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.address.Addr, b.address.Addr))
	})
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
