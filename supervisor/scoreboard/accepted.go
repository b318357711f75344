package scoreboard

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Accepted lists the connections that somebody accepted from this listener and
// that are still open, whoever holds them. On a unix socket without netlink it
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
	show, ours := uint32(showPeer|showName), func(s unixSocket) bool { return string(s.name) == l.addr.unix }
	if !l.addr.abstract() {
		bound, err := l.boundTo()
		if err != nil {
			return nil, err
		}
		show, ours = showPeer|showVFS, func(s unixSocket) bool { return s.bound && s.file == bound }
	}
	conns := []Conn{}
	request := unixRequest(0, 1<<stateEstablished, show)
	err := l.ask(func(c *diagConn) error {
		conns = conns[:0]
		return c.dump(request[:], func(payload []byte) error {
			s, err := parseUnixSocket(payload)
			if err == nil && s.kind == unix.SOCK_STREAM && s.inode != 0 && ours(s) {
				conns = append(conns, Conn{Inode: Inode(s.inode), Peer: Inode(s.peer), Gone: s.peer == 0})
			}
			return err
		})
	})
	return conns, err
}

func (l *Listener) tcpAccepted() ([]Conn, error) {
	conns := []Conn{}
	err := l.eachTCP(func(s inetSocket) {
		if s.inode != 0 {
			conns = append(conns, Conn{Inode: Inode(s.inode), Remote: s.remote, Gone: s.state == stateCloseWait})
		}
	})
	return conns, err
}

// eachTCP visits the open connections at the listener's port and address, those
// that still wait (inode 0) included: a connection that its holder has closed is
// in neither of the two states. The caller holds l.mu.
func (l *Listener) eachTCP(visit func(inetSocket)) error {
	if err := l.tellable(); err != nil {
		return err
	}
	request := inetRequest(byte(l.domain), 1<<stateEstablished|1<<stateCloseWait, l.addr.inet.Port())
	return l.ask(func(c *diagConn) error {
		return c.dump(request[:], func(payload []byte) error {
			s, err := parseInetSocket(payload)
			if err == nil && arrivesAt(s.local, l.addr.inet) {
				visit(s)
			}
			return err
		})
	})
}

// tellable refuses listeners whose connections inet_diag cannot attribute.
func (l *Listener) tellable() error {
	if l.protocol != unix.IPPROTO_TCP {
		return fmt.Errorf("%w: protocol %d is not TCP (MPTCP?)", ErrUnsupported, l.protocol)
	}
	shared, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil || shared == 0 {
		return err
	}
	listeners := 0
	request := inetRequest(byte(l.domain), 1<<stateListen, l.addr.inet.Port())
	err = l.ask(func(c *diagConn) error {
		return c.dump(request[:], func(payload []byte) error {
			_, err := parseInetSocket(payload)
			listeners++
			return err
		})
	})
	if err == nil && listeners > 1 {
		err = fmt.Errorf("%w: %d listen at port %d (SO_REUSEPORT)", ErrAmbiguous, listeners, l.addr.inet.Port())
	}
	return err
}

// arrivesAt tells whether a connection with this local end belongs to a listener
// bound to addr. A wildcard takes any address of its family; an IPv6 one shows
// IPv4 clients under mapped addresses.
func arrivesAt(local, addr netip.AddrPort) bool {
	return local.Port() == addr.Port() && (addr.Addr().IsUnspecified() || local.Addr() == addr.Addr().WithZone(""))
}
