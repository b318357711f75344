package scoreboard

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Foreign lists the connections that these processes hold and [Listener.Accepted]
// cannot show: those of clients in another network namespace, such as a web server
// in a container that shares the socket's directory. The kernel counts an accepted
// unix socket to the namespace of its client (unix_stream_connect), and sock_diag
// shows only our own. What can be seen is a unix socket in a descriptor table that
// our namespace does not know. Whether its client has gone cannot be told, nor
// where it was accepted; a worker has such sockets from nowhere else but by
// SCM_RIGHTS. On TCP, and without netlink, there are none.
//
// It reads every descriptor of the processes: not for each look.
func (l *Listener) Foreign(pids []int) ([]Conn, error) {
	if l.domain != unix.AF_UNIX {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil {
		return nil, nil
	}
	var (
		conns  []Conn
		failed error
	)
	seen := map[Inode]bool{l.inode: true}
	for _, pid := range pids {
		err := eachSocket(pid, func(fd int, inode Inode) {
			if seen[inode] || failed != nil {
				return
			}
			seen[inode] = true
			var foreign bool
			if foreign, failed = l.foreign(pid, fd, inode); foreign {
				conns = append(conns, Conn{Inode: inode})
			}
		})
		if err != nil && !isGone(err) {
			return conns, err
		}
	}
	if failed != nil {
		return conns, fmt.Errorf("cannot tell whose connections processes hold: %w", failed)
	}
	return conns, nil
}

// foreign reports whether a descriptor is a unix socket that our namespace does not
// know. The caller holds l.mu.
func (l *Listener) foreign(pid, fd int, inode Inode) (bool, error) {
	var name [32]byte
	n, err := unix.Getxattr(procDir(pid)+"/fd/"+strconv.Itoa(fd), "system.sockprotoname", name[:])
	if err != nil || !strings.HasPrefix(string(name[:n]), "UNIX") {
		return false, nil // closed since, or TCP, whose connections are the listener's namespace's
	}
	unknown := false
	request := unixRequest(uint32(inode), 0, 0)
	err = l.ask(func(c *diagConn) error {
		err := c.lookup(request[:], func([]byte) error { return nil })
		if errors.Is(err, unix.ENOENT) {
			unknown = true
			return nil
		}
		return err
	})
	// A socket of ours that was closed meanwhile is unknown, too.
	return unknown && holding{pid, fd}.holds(inode), err
}
