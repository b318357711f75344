package scoreboard

import "slices"

// Holders is [Holds] for a sampler: it remembers in which descriptors connections
// were seen. One that lasts costs one link a look, 3 µs; a new one is looked for in
// the descriptors that its process has used before, which are the same again when
// it serves one request after the other, and only then in whole tables. What a
// child inherits shows at the next scan; to be certain that a process holds
// nothing, use Holds. Not safe for concurrent use. The zero value is ready.
type Holders struct {
	seen map[Inode][]holding
	// used are the descriptors in which a process has held connections, the last first.
	used map[int][]int
}

// holding is a descriptor of a process.
type holding struct{ pid, fd int }

// maxUsed bounds the descriptors remembered for a process: with more, a scan is no dearer.
const maxUsed = 4

// Find looks for conns among pids.
func (h *Holders) Find(pids []int, conns []Conn) Holdings {
	found := map[Inode][]holding{}
	unknown := map[Inode]bool{}
	asked := make(map[int]bool, len(pids))
	for _, pid := range pids {
		asked[pid] = true
	}
	known := map[holding]bool{}
	for _, c := range conns {
		for _, at := range h.seen[c.Inode] {
			if asked[at.pid] && at.holds(c.Inode) {
				found[c.Inode] = append(found[c.Inode], at)
				known[at] = true
			}
		}
		unknown[c.Inode] = len(found[c.Inode]) == 0
	}
	if !h.guess(pids, unknown, known, found) {
		return h.scan(pids, conns)
	}
	h.seen = found
	result := Holdings{By: make(map[Inode][]int, len(conns)), Unreadable: map[int]error{}}
	for inode, all := range found {
		for _, at := range all {
			result.By[inode] = append(result.By[inode], at.pid)
		}
	}
	return result
}

// guess looks for the unknown in the descriptors that were used before, but for
// those known to be in use, and returns false if some stay unknown.
func (h *Holders) guess(pids []int, unknown map[Inode]bool, known map[holding]bool, found map[Inode][]holding) bool {
	missing := 0
	for _, is := range unknown {
		if is {
			missing++
		}
	}
	for _, pid := range pids {
		for _, fd := range h.used[pid] {
			at := holding{pid, fd}
			if missing == 0 {
				return true
			}
			if known[at] {
				continue
			}
			if inode := at.inode(); unknown[inode] {
				unknown[inode] = false
				found[inode] = []holding{at}
				missing--
			}
		}
	}
	return missing == 0
}

func (h *Holders) scan(pids []int, conns []Conn) Holdings {
	h.seen = make(map[Inode][]holding, len(conns))
	used := make(map[int][]int, len(pids))
	for _, pid := range pids {
		used[pid] = h.used[pid]
	}
	h.used = used
	return find(pids, conns, func(at holding, inode Inode) {
		h.seen[inode] = append(h.seen[inode], at)
		h.use(at)
	})
}

func (h *Holders) use(at holding) {
	fds := slices.DeleteFunc(slices.Clone(h.used[at.pid]), func(fd int) bool { return fd == at.fd })
	h.used[at.pid] = slices.Insert(fds, 0, at.fd)[:min(len(fds)+1, maxUsed)]
}

// inode is that of the socket in the descriptor, 0 if there is none.
func (at holding) inode() Inode {
	inode, err := (thread{at.pid, at.pid}).socket(at.fd)
	if err != nil {
		return 0
	}
	return inode
}

func (at holding) holds(inode Inode) bool { return at.inode() == inode }
