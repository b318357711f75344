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
// that needs it, and stands from then on: what is to be seen again takes a new
// Survey. A caller that needs a list that could not be made, as it happens when memory is
// short, is answered by a question of its own. Nothing is kept open. Safe for
// concurrent use.
type Survey struct {
	listeners func() (*unixListeners, error)
	conns     func() (map[file][]Conn, error)
	inet      map[int]*inetSurvey // by family
}

// unixListeners are those of the host.
type unixListeners struct {
	byFile  map[uint32][]unixSocket // by the inode of the file
	byInode map[Inode]Queue
}

// NewSurvey has asked nothing yet.
func NewSurvey() *Survey {
	return &Survey{
		listeners: sync.OnceValues(listUnix),
		conns:     sync.OnceValues(listAccepted),
		inet: map[int]*inetSurvey{
			unix.AF_INET:  newInetSurvey(unix.AF_INET),
			unix.AF_INET6: newInetSurvey(unix.AF_INET6),
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

// Find is the function of that name.
func (s *Survey) Find(network, addr string) (*Listener, error) {
	l := &Listener{fd: -1, dial: dialDiag, procNetUnix: "/proc/net/unix"}
	return l.find(network, addr, s.catalog(l))
}

// Named lists the unix listeners that were bound to a path, those included whose file
// is not there any more: their holders alone keep them.
func (s *Survey) Named(path string) ([]Inode, error) {
	all, err := s.listeners()
	if err != nil {
		return nil, fmt.Errorf("cannot list who listens: %w", unsupported(err))
	}
	var named []Inode
	for _, sockets := range all.byFile {
		for _, l := range sockets {
			if name, _, _ := bytes.Cut(l.name, []byte{0}); l.kind == unix.SOCK_STREAM && string(name) == path {
				named = append(named, Inode(l.inode))
			}
		}
	}
	return named, nil
}

// catalog is the lists, or where there is none what l asks; its lock is not held.
func (s *Survey) catalog(l *Listener) catalog {
	return catalog{
		unix: func(inode uint32, visit func(unixSocket)) error {
			if all, err := s.listeners(); err == nil {
				each(all.byFile[inode], visit)
				return nil
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.eachUnixListener(showVFS|showName, visit)
		},
		tcp: func(domain int, port uint16, visit func(inetSocket)) error {
			if all, err := s.inet[domain].listeners(); err == nil {
				each(all[port], visit)
				return nil
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.eachTCPListener(domain, port, visit)
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
		return l.tcpQueueAmong(s.catalog(l))
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
	all, failed := s.conns()
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed != nil {
		return l.unixAcceptedDiag()
	}
	bound, err := l.boundTo()
	return all[bound], err
}

func (s *Survey) tcpAccepted(l *Listener) ([]Conn, error) {
	// The listeners are listed first, so that no connection is missed on its way
	// from the queue to a worker.
	if err := l.tellable(s.catalog(l)); err != nil {
		return nil, err
	}
	all, err := s.inet[l.domain].at(l)
	if err != nil {
		return nil, err
	}
	ends := newTCPEnds()
	for _, c := range all {
		if arrivesAt(c.local, l.addr.inet) {
			ends.add(c)
		}
	}
	return ends.conns, nil
}
