package scoreboard

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Own lists the accepted connections of one unix listener through the descriptors of its
// workers: the kernel is asked about each of their sockets by inode. That costs 20 µs a
// process and 3 µs a socket, where a list of the host's connections costs 0.2 ms for every
// 1,000 of them. Not safe for concurrent use. The zero value is ready.
type Own struct {
	// ours are the connections seen at the last look, others the sockets that are none.
	ours, others map[Inode]bool
	// listed is when the host's connections were last listed, size how many there were.
	listed time.Time
	size   int
}

const (
	// perProcess is how many connections of the host cost as much as one process to read.
	perProcess = 128
	// listEvery is how often they are listed anyway: only the list shows
	// a connection that a process of no worker has accepted.
	listEvery = time.Minute
)

// Look is [Listener.Look] by the descriptors of these processes; false: a list of the
// host's connections is due, or is cheaper, or the descriptors do not tell. All is how
// many processes would share that list.
func (o *Own) Look(l *Listener, pids []int, all int) (Sample, bool) {
	if l.domain != unix.AF_UNIX || all == 0 || o.size <= perProcess*all || time.Since(o.listed) > listEvery {
		return Sample{}, false
	}
	s := l.lookAtQueue()
	s.Conns, s.ConnsErr = o.accepted(l, pids)
	return s, s.ConnsErr == nil
}

// Listed notes that the host's connections, so many, were listed, of which conns are the listener's.
func (o *Own) Listed(size int, conns []Conn) {
	o.listed, o.size = time.Now(), size
	o.ours = make(map[Inode]bool, len(conns))
	for _, c := range conns {
		o.ours[c.Inode] = true
	}
}

// accepted are the connections that these processes hold, and those that were seen at
// the last look and are still open.
func (o *Own) accepted(l *Listener, pids []int) ([]Conn, error) {
	by, unreadable := Sockets(pids)
	for pid, err := range unreadable {
		return nil, fmt.Errorf("cannot read the descriptors of process %d: %w", pid, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	show, isOurs, err := l.recognize()
	if err != nil {
		return nil, err
	}
	conns, ours, others := []Conn{}, map[Inode]bool{}, map[Inode]bool{}
	ask := func(inode Inode) error {
		s, found, err := l.socket(inode, show)
		switch {
		case err != nil:
			return err
		case found && s.kind == unix.SOCK_STREAM && s.state == stateEstablished && isOurs(s):
			ours[inode] = true
			conns = append(conns, s.conn())
		case len(by[inode]) > 0:
			others[inode] = true
		}
		return nil
	}
	for inode := range by {
		if o.others[inode] || inode == l.inode {
			others[inode] = true
			continue
		}
		if err := ask(inode); err != nil {
			return nil, err
		}
	}
	for inode := range o.ours { // a process that is new may hold it now
		if len(by[inode]) == 0 {
			if err := ask(inode); err != nil {
				return nil, err
			}
		}
	}
	o.ours, o.others = ours, others
	return conns, nil
}

// socket asks for one unix socket; false: there is none with this inode. Slices of the
// answer are valid until the next question. The caller holds l.mu.
func (l *Listener) socket(inode Inode, show uint32) (s unixSocket, found bool, err error) {
	request := unixRequest(uint32(inode), ^uint32(0), show)
	err = l.ask(func(c *diagConn) error {
		err := c.lookup(request[:], func(payload []byte) (err error) {
			s, err = parseUnixSocket(payload)
			found = err == nil
			return err
		})
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	})
	return s, found && s.inode == uint32(inode), err
}
