package scoreboard

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Find observes the listener at an address of this host ("unix" and a path, or
// "tcp" and IP:PORT) without a descriptor of it: for sockets that others hold,
// such as systemd. It connects to nothing. A unix socket is known by the file at
// the path, a wildcard TCP listener by its port. The error wraps [ErrGone] when
// no process listens, [ErrUnsupported] when netlink is refused; there is no
// fallback, and [Listener.SetBlocking] is not for what Find returns.
func Find(network, addr string) (*Listener, error) {
	l := &Listener{fd: -1, dial: dialDiag, procNetUnix: "/proc/net/unix"}
	return l.find(network, addr, catalog{
		unix: func(_ uint32, visit func(unixSocket)) error {
			return l.eachUnixListener(showVFS|showName, visit)
		},
		tcp: l.eachTCPListener,
	})
}

// catalog visits the listeners that can be meant by the inode of a file, and those
// of a family at a port; it may visit others, too.
type catalog struct {
	unix func(inode uint32, visit func(unixSocket)) error
	tcp  func(domain int, port uint16, visit func(inetSocket)) error
}

func (l *Listener) find(network, addr string, among catalog) (*Listener, error) {
	var err error
	if network == "unix" {
		err = l.findUnix(addr, among)
	} else {
		err = l.findTCP(addr, among)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot find who listens on %s: %w", addr, unsupported(err)), l.Close())
	}
	return l, nil
}

func (l *Listener) findUnix(path string, among catalog) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return procError("stat", path, err)
	}
	own := ownDevices(path)
	l.domain, l.addr = unix.AF_UNIX, address{unix: path}
	err := among.unix(uint32(st.Ino), func(s unixSocket) {
		if s.kind != unix.SOCK_STREAM || !s.bound || !s.file.is(&st, own) {
			return
		}
		name, _, _ := bytes.Cut(s.name, []byte{0})
		if own && string(name) != path {
			return // the device, which could tell two files apart, is not known
		}
		l.inode, l.file, l.bound = Inode(s.inode), s.file, true
	})
	if err == nil && l.inode == 0 {
		err = fmt.Errorf("%w: no process listens", ErrGone)
	}
	return err
}

// eachUnixListener visits those of the host. What is visited is valid during the
// call only.
func (l *Listener) eachUnixListener(show uint32, visit func(unixSocket)) error {
	request := unixRequest(0, 1<<stateListen, show)
	return l.ask(func(c *diagConn) error {
		return c.dump(request[:], func(payload []byte) error {
			s, err := parseUnixSocket(payload)
			if err == nil {
				visit(s)
			}
			return err
		})
	})
}

func (l *Listener) findTCP(addr string, among catalog) error {
	want, err := netip.ParseAddrPort(addr)
	if len(addr) > 0 && addr[0] == ':' {
		want, err = netip.ParseAddrPort("[::]" + addr)
	}
	if err != nil {
		return err
	}
	l.protocol = unix.IPPROTO_TCP
	for _, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		err := among.tcp(domain, want.Port(), func(s inetSocket) {
			if l.inode == 0 && arrivesAt(want, s.local) {
				l.domain, l.inode, l.addr = domain, Inode(s.inode), address{inet: s.local}
			}
		})
		if err != nil {
			return err
		}
	}
	if l.inode == 0 {
		return fmt.Errorf("%w: no process listens", ErrGone)
	}
	return nil
}

// anyPort has all ports listed.
const anyPort = 0

// eachTCPListener visits the listeners of a family at a port.
func (l *Listener) eachTCPListener(domain int, port uint16, visit func(inetSocket)) error {
	return l.eachInet(domain, 1<<stateListen, port, visit)
}

func (l *Listener) eachInet(domain int, states uint32, port uint16, visit func(inetSocket)) error {
	request := inetRequest(byte(domain), states, port)
	return l.ask(func(c *diagConn) error {
		return c.dump(request[:], func(payload []byte) error {
			s, err := parseInetSocket(payload)
			if err == nil {
				visit(s)
			}
			return err
		})
	})
}

// tcpQueueDiag is the queue without a descriptor: inet_diag shows of a listener
// what TCP_INFO does.
func (l *Listener) tcpQueueDiag() (Queue, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tcpQueueAmong(catalog{tcp: l.eachTCPListener})
}

func (l *Listener) tcpQueueAmong(among catalog) (Queue, error) {
	var q Queue
	found := false
	err := among.tcp(l.domain, l.addr.inet.Port(), func(s inetSocket) {
		if Inode(s.inode) == l.inode {
			found = true
			q = Queue{Length: int(s.queued), Capacity: KnownLimit(int(s.backlog)), Source: SockDiag}
		}
	})
	if err == nil && !found {
		err = os.ErrNotExist
	}
	if err != nil {
		return Queue{}, fmt.Errorf("cannot read the queue of %s: %w", l, unsupported(err))
	}
	return q, nil
}
