package scoreboard

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Accepted lists the connections that were accepted from this listener and
// that are still open, in any process. On a unix socket without netlink it
// goes by name through /proc/net/unix, with [ErrAmbiguous] when another listener
// bears the same name; there a connection accepted from an earlier, closed
// listener of the same name cannot be told from ours.
func (l *Listener) Accepted() ([]Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var (
		conns []Conn
		err   error
	)
	if l.domain == unix.AF_UNIX {
		conns, err = l.unixAccepted()
	} else {
		conns, err = l.tcpAccepted()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the connections of %s: %w", l, unsupported(err))
	}
	return conns, nil
}

func (l *Listener) unixAccepted() ([]Conn, error) {
	conns, err := l.unixAcceptedDiag()
	if err == nil {
		return conns, nil
	}
	listing, listErr := l.list()
	if listErr != nil {
		return nil, errors.Join(err, listErr)
	}
	return listing.accepted, nil
}

func (l *Listener) unixAcceptedDiag() ([]Conn, error) {
	show, ours, err := l.recognize()
	if err != nil {
		return nil, err
	}
	conns := []Conn{}
	err = l.eachEstablished(show, func(s unixSocket) {
		if ours(s) {
			conns = append(conns, s.conn())
		}
	})
	return conns, err
}

// recognize says by what a socket accepted from this listener is known, and what
// must be asked for to see it. The caller holds l.mu.
func (l *Listener) recognize() (show uint32, ours func(unixSocket) bool, err error) {
	if l.addr.abstract() {
		return showPeer | showName | showRQLen, func(s unixSocket) bool { return string(s.name) == l.addr.unix }, nil
	}
	bound, err := l.boundTo()
	return showPeer | showVFS | showRQLen, func(s unixSocket) bool { return s.bound && s.file == bound }, err
}

// eachEstablished visits the connected unix stream sockets that some process has.
// The caller holds l.mu.
func (l *Listener) eachEstablished(show uint32, visit func(unixSocket)) error {
	request := unixRequest(0, 1<<stateEstablished, show)
	return l.ask(func(c *diagConn) error {
		return c.dump(request[:], func(payload []byte) error {
			s, err := parseUnixSocket(payload)
			if err == nil && s.kind == unix.SOCK_STREAM && s.inode != 0 {
				visit(s)
			}
			return err
		})
	})
}

func (l *Listener) tcpAccepted() ([]Conn, error) {
	_, conns, err := l.tcpConnections()
	return conns, err
}

// tcpConnections are those at the listener.
func (l *Listener) tcpConnections() ([]Waiter, []Conn, error) {
	ends := newTCPEnds()
	err := l.eachTCP(ends.add)
	return ends.waiters, ends.conns, err
}

// tcpEnds splits connections by whether they were accepted: those that
// wait have no inode yet.
type tcpEnds struct {
	waiters []Waiter
	conns   []Conn
}

func newTCPEnds() *tcpEnds { return &tcpEnds{[]Waiter{}, []Conn{}} }

func (e *tcpEnds) add(s inetSocket) {
	gone := s.state == stateCloseWait
	if s.inode == 0 {
		e.waiters = append(e.waiters, Waiter{Remote: s.remote, Gone: gone})
	} else {
		e.conns = append(e.conns, Conn{Inode: Inode(s.inode), Remote: s.remote, Gone: gone, Unread: int(s.queued)})
	}
}

// eachTCP visits the open connections at the listener's port and address, those
// that still wait (inode 0) included: a connection that its holder has closed is
// in neither of the two states. The caller holds l.mu.
func (l *Listener) eachTCP(visit func(inetSocket)) error {
	if err := l.tellable(catalog{tcp: l.eachTCPListener}); err != nil {
		return err
	}
	return l.eachInet(l.domain, openStates, l.addr.inet.Port(), func(s inetSocket) {
		if arrivesAt(s.local, l.addr.inet) {
			visit(s)
		}
	})
}

// openStates are those of a connection that its holder has not closed.
const openStates = 1<<stateEstablished | 1<<stateCloseWait

// tellable refuses listeners whose connections inet_diag cannot attribute.
func (l *Listener) tellable(among catalog) error {
	if l.protocol != unix.IPPROTO_TCP {
		return fmt.Errorf("%w: protocol %d is not TCP (MPTCP?)", ErrUnsupported, l.protocol)
	}
	if l.fd >= 0 { // else whether it is shared is not known
		shared, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
		if err != nil || shared == 0 {
			return err
		}
	}
	listeners := 0
	err := among.tcp(l.domain, l.addr.inet.Port(), func(s inetSocket) {
		if l.fd >= 0 || s.local == l.addr.inet {
			listeners++
		}
	})
	if err == nil && listeners > 1 {
		err = fmt.Errorf("%w: %d listen at port %d (SO_REUSEPORT)", ErrAmbiguous, listeners, l.addr.inet.Port())
	}
	return err
}

// arrivesAt reports whether a connection with this local end belongs to a listener
// bound to addr. A wildcard takes any address of its family; an IPv6 one shows
// IPv4 clients under mapped addresses.
func arrivesAt(local, addr netip.AddrPort) bool {
	return local.Port() == addr.Port() && (addr.Addr().IsUnspecified() || local.Addr() == addr.Addr().WithZone(""))
}
