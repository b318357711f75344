package scoreboard

import (
	"bytes"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Survey lists the listeners of the host and their connections once, for who asks
// about many of them: every [Find] lists all listeners, and every [Listener.Look]
// has the kernel go through all sockets. Each list is made at the first question
// that needs it, and stands from then on: what is to be seen anew takes a new
// Survey. Nothing is kept open. Safe for concurrent use.
type Survey struct {
	listeners func() (*unixListeners, error)
	conns     func() (map[file][]Conn, error)
	inet      func(domain int) (*inetSockets, error)
}

// unixListeners are those of the host.
type unixListeners struct {
	byFile  map[uint32][]unixSocket // by the inode of the file
	byInode map[Inode]Queue
}

// inetSockets are those of a family, by local port.
type inetSockets struct{ listeners, conns map[uint16][]inetSocket }

// NewSurvey has asked nothing yet.
func NewSurvey() *Survey {
	four := sync.OnceValues(func() (*inetSockets, error) { return listInet(unix.AF_INET) })
	six := sync.OnceValues(func() (*inetSockets, error) { return listInet(unix.AF_INET6) })
	return &Survey{
		listeners: sync.OnceValues(listUnix),
		conns:     sync.OnceValues(listAccepted),
		inet: func(domain int) (*inetSockets, error) {
			if domain == unix.AF_INET {
				return four()
			}
			return six()
		},
	}
}

// asking lends a netlink socket.
func asking(do func(l *Listener) error) error {
	l := &Listener{fd: -1, dial: dialDiag}
	defer func() { _ = l.Close() }()
	return do(l)
}

func listUnix() (*unixListeners, error) {
	all := &unixListeners{map[uint32][]unixSocket{}, map[Inode]Queue{}}
	err := asking(func(l *Listener) error {
		return l.eachUnixListener(showVFS|showName|showRQLen, func(s unixSocket) {
			if s.queueKnown {
				all.byInode[Inode(s.inode)] = Queue{Length: int(s.queued), Capacity: KnownLimit(int(s.backlog)), Source: SockDiag}
			}
			if s.bound {
				s.name = bytes.Clone(s.name)
				all.byFile[s.file.inode] = append(all.byFile[s.file.inode], s)
			}
		})
	})
	return all, err
}

func listAccepted() (map[file][]Conn, error) {
	all := map[file][]Conn{}
	err := asking(func(l *Listener) error {
		return l.eachEstablished(showPeer|showVFS, func(s unixSocket) {
			if s.bound {
				all[s.file] = append(all[s.file], s.conn())
			}
		})
	})
	return all, err
}

// listInet lists listeners and connections one after the other, so that no
// connection is missed on its way from the queue to a worker.
func listInet(domain int) (*inetSockets, error) {
	all := &inetSockets{map[uint16][]inetSocket{}, map[uint16][]inetSocket{}}
	err := asking(func(l *Listener) error {
		if err := l.eachTCPListener(domain, anyPort, func(s inetSocket) {
			all.listeners[s.local.Port()] = append(all.listeners[s.local.Port()], s)
		}); err != nil {
			return err
		}
		return l.eachInet(domain, openStates, anyPort, func(s inetSocket) {
			all.conns[s.local.Port()] = append(all.conns[s.local.Port()], s)
		})
	})
	return all, err
}

// Find is the function of that name.
func (s *Survey) Find(network, addr string) (*Listener, error) {
	l := &Listener{fd: -1, dial: dialDiag, procNetUnix: "/proc/net/unix"}
	return l.find(network, addr, s.catalog())
}

func (s *Survey) catalog() catalog {
	return catalog{
		unix: func(inode uint32, visit func(unixSocket)) error {
			all, err := s.listeners()
			if err == nil {
				each(all.byFile[inode], visit)
			}
			return err
		},
		tcp: func(domain int, port uint16, visit func(inetSocket)) error {
			all, err := s.inet(domain)
			if err == nil {
				each(all.listeners[port], visit)
			}
			return err
		},
	}
}

func each[T any](all []T, visit func(T)) {
	for _, one := range all {
		visit(one)
	}
}

// Queue is [Listener.Queue] as listed. A listener that is in no list, or whose
// descriptor tells as fast, is asked for itself.
func (s *Survey) Queue(l *Listener) (Queue, error) {
	if l.domain != unix.AF_UNIX {
		if l.fd >= 0 {
			return l.Queue()
		}
		return l.tcpQueueAmong(s.catalog())
	}
	if all, err := s.listeners(); err == nil {
		if q, ok := all.byInode[l.inode]; ok {
			return q, nil
		}
	}
	return l.Queue()
}

// Look is [Listener.Look] as listed, but for who waits, of what Find has found.
func (s *Survey) Look(l *Listener) Sample {
	var seen Sample
	seen.Queue, seen.QueueErr = s.Queue(l)
	var err error
	if l.domain == unix.AF_UNIX {
		seen.Conns, err = s.unixAccepted(l)
	} else {
		seen.Conns, err = s.tcpAccepted(l)
	}
	if err != nil {
		seen.ConnsErr = fmt.Errorf("cannot list the connections of %s: %w", l, unsupported(err))
	}
	return seen
}

func (s *Survey) unixAccepted(l *Listener) ([]Conn, error) {
	l.mu.Lock()
	bound, err := l.boundTo()
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	all, err := s.conns()
	return all[bound], err
}

func (s *Survey) tcpAccepted(l *Listener) ([]Conn, error) {
	if err := l.tellable(s.catalog()); err != nil {
		return nil, err
	}
	all, err := s.inet(l.domain)
	if err != nil {
		return nil, err
	}
	ends := newTCPEnds()
	for _, c := range all.conns[l.addr.inet.Port()] {
		if arrivesAt(c.local, l.addr.inet) {
			ends.add(c)
		}
	}
	return ends.conns, nil
}
