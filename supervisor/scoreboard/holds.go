package scoreboard

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Holdings says which processes hold which connections.
type Holdings struct {
	// By lists the holders of a connection in the order asked; a connection that a
	// child inherited has several, one that was not asked about holds has none.
	By map[Inode][]int
	// Unreadable says why the descriptors of a process could not be read. A
	// process that has ended holds nothing and is not listed.
	Unreadable map[int]error
}

// Holds looks for conns in the descriptor tables of pids (/proc/PID/fd). With no
// connection to look for it reads nothing.
func Holds(pids []int, conns []Conn) Holdings {
	return find(pids, conns, func(holding, Inode) {})
}

// find tells note where it found each connection, once for each process.
func find(pids []int, conns []Conn, note func(at holding, inode Inode)) Holdings {
	h := Holdings{By: make(map[Inode][]int, len(conns)), Unreadable: map[int]error{}}
	if len(conns) == 0 {
		return h
	}
	wanted := make(map[Inode]bool, len(conns))
	for _, c := range conns {
		wanted[c.Inode] = true
	}
	for _, pid := range pids {
		err := eachSocket(pid, func(fd int, inode Inode) {
			if !wanted[inode] {
				return
			}
			// A dup in the same process is not another holder.
			if by := h.By[inode]; len(by) == 0 || by[len(by)-1] != pid {
				h.By[inode] = append(by, pid)
				note(holding{pid, fd}, inode)
			}
		})
		if err != nil && !isGone(err) {
			h.Unreadable[pid] = err
		}
	}
	return h
}

// eachSocket visits the descriptors of a process that are sockets.
func eachSocket(pid int, visit func(fd int, inode Inode)) error {
	n, err := eachSocketIn(procDir(pid)+"/fd", visit)
	// The table of an ended first thread is empty, and root's: unreadable to others.
	if n == 0 && !isGone(err) && aliveWithoutLeader(pid) {
		err = eachSocketOfThreads(pid, visit)
	}
	if err != nil {
		return fmt.Errorf("cannot read the descriptors of process %d: %w", pid, err)
	}
	return nil
}

// eachSocketOfThreads reads the table through the first thread that shows one.
func eachSocketOfThreads(pid int, visit func(fd int, inode Inode)) error {
	tids, err := numbersIn(procDir(pid) + "/task")
	for _, tid := range tids {
		var n int
		if n, err = eachSocketIn(threadDir(pid, tid)+"/fd", visit); n > 0 {
			return err
		}
	}
	return err
}

// eachSocketIn returns how many descriptors there are, sockets or not.
func eachSocketIn(path string, visit func(fd int, inode Inode)) (int, error) {
	dir, err := openProc(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	var (
		buf    [4096]byte
		n      int
		failed error
	)
	err = eachNumber(dir, buf[:], func(fd int) {
		n++
		inode, err := socketInode(dir, strconv.Itoa(fd))
		switch {
		case errors.Is(err, unix.ENOENT): // closed since
		case err != nil:
			failed = err
		case inode != 0:
			visit(fd, inode)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return n, procError("read", path, err)
	}
	return n, nil
}

// AwaitClose watches the descriptors in which pids hold conns, without a pause,
// and returns true as soon as one of the connections is closed there. It is for
// the moment between two requests of a worker that is never idle for long: some
// microseconds after its answer. It returns false when limit is over.
func AwaitClose(pids []int, conns []Conn, limit time.Duration) bool {
	var watched []watchedFD
	defer func() {
		for _, w := range watched {
			_ = unix.Close(w.dir)
		}
	}()
	find(pids, conns, func(at holding, inode Inode) {
		if dir, err := openProc(procDir(at.pid)+"/fd", unix.O_RDONLY|unix.O_DIRECTORY); err == nil {
			watched = append(watched, watchedFD{dir, strconv.Itoa(at.fd), inode})
		}
	})
	for end := time.Now().Add(limit); len(watched) > 0 && time.Now().Before(end); {
		for _, w := range watched {
			if now, err := socketInode(w.dir, w.fd); err != nil || now != w.inode {
				return true
			}
		}
	}
	return false
}

// watchedFD is a descriptor in an open /proc/PID/fd.
type watchedFD struct {
	dir   int
	fd    string
	inode Inode
}
