package scoreboard

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// Sockets lists which of the processes have which sockets open, with the reasons
// for the processes that could not be read. One that has ended has none.
func Sockets(pids []int) (by map[Inode][]int, unreadable map[int]error) {
	by, unreadable = map[Inode][]int{}, map[int]error{}
	for _, pid := range pids {
		seen := map[Inode]bool{}
		err := eachSocket(pid, func(_ int, inode Inode) {
			if !seen[inode] {
				seen[inode] = true
				by[inode] = append(by[inode], pid)
			}
		})
		if err != nil && !isGone(err) {
			unreadable[pid] = err
		}
	}
	return by, unreadable
}

// Listeners are the addresses of all sockets of the host that listen: a path,
// "@name" (abstract), or host:port.
func Listeners() (map[Inode]string, error) {
	all := map[Inode]string{}
	err := asking(func(l *Listener) error {
		return l.eachUnixListener(showName, func(s unixSocket) {
			if name := s.name; len(name) > 0 {
				if name[0] != 0 {
					name, _, _ = bytes.Cut(name, []byte{0})
				}
				all[Inode(s.inode)] = address{unix: string(name)}.String()
			}
		})
	})
	if err != nil {
		return all, err
	}
	for _, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		err := asking(func(l *Listener) error {
			return l.eachTCPListener(domain, anyPort, func(s inetSocket) {
				all[Inode(s.inode)] = address{inet: s.local}.String()
			})
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}
