package scoreboard

import "slices"

// Holders is [Holds] for a sampler: it remembers in which descriptors connections
// were seen. One that lasts costs one link, 3 µs, at every fourth look; a new one is
// looked for in the descriptors that its process has used before, which are the
// same again when it serves one request after the other, and only then in whole
// tables. What a child inherits shows at the next scan; to be certain that a
// process holds nothing, use Holds. Not safe for concurrent use. The zero value is
// ready.
type Holders struct {
	seen map[Inode]sighting
	// used are the descriptors in which a process has held connections, the last first.
	used map[int][]int
}

// sighting is where an open connection was seen, so many looks ago.
type sighting struct {
	at    []holding
	looks int
}

// holding is a descriptor of a process.
type holding struct{ pid, fd int }

const (
	// believed is for how many looks an open connection is taken to be where it was:
	// processes seldom pass one on.
	believed = 3
	// maxUsed bounds the descriptors remembered for a process: with more, a scan costs no more.
	maxUsed = 4
)

// Find looks for conns among pids.
func (h *Holders) Find(pids []int, conns []Conn) Holdings {
	found := make(map[Inode]sighting, len(conns))
	unknown := map[Inode]bool{}
	asked := make(map[int]bool, len(pids))
	for _, pid := range pids {
		asked[pid] = true
	}
	known := map[holding]bool{}
	for _, c := range conns {
		s := h.seen[c.Inode].again(c.Inode, asked)
		if unknown[c.Inode] = len(s.at) == 0; unknown[c.Inode] {
			continue
		}
		found[c.Inode] = s
		for _, at := range s.at {
			known[at] = true
		}
	}
	if !h.guess(pids, unknown, known, found) {
		return h.scan(pids, conns)
	}
	h.seen = found
	result := Holdings{By: make(map[Inode][]int, len(conns)), Unreadable: map[int]error{}}
	for inode, s := range found {
		for _, at := range s.at {
			result.By[inode] = append(result.By[inode], at.pid)
		}
	}
	return result
}

// again is the sighting one look later, as far as those asked about go.
func (s sighting) again(inode Inode, asked map[int]bool) sighting {
	trust := s.looks < believed
	next := sighting{looks: s.looks + 1}
	if !trust {
		next.looks = 0
	}
	for _, at := range s.at {
		if asked[at.pid] && (trust || at.holds(inode)) {
			next.at = append(next.at, at)
		}
	}
	return next
}

// guess looks for the unknown in the descriptors that were used before, but for
// those known to be in use, and returns false if some stay unknown.
func (h *Holders) guess(pids []int, unknown map[Inode]bool, known map[holding]bool, found map[Inode]sighting) bool {
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
				found[inode] = sighting{at: []holding{at}}
				missing--
			}
		}
	}
	return missing == 0
}

func (h *Holders) scan(pids []int, conns []Conn) Holdings {
	h.seen = make(map[Inode]sighting, len(conns))
	used := make(map[int][]int, len(pids))
	for _, pid := range pids {
		used[pid] = h.used[pid]
	}
	h.used = used
	return find(pids, conns, func(at holding, inode Inode) {
		h.seen[inode] = sighting{at: append(h.seen[inode].at, at)}
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
