package scoreboard

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Listener observes one listening stream socket. All methods may be called
// concurrently; those that ask netlink share one socket and take turns on it.
// The descriptor stays the caller's and must stay open as long as the Listener is
// used.
type Listener struct {
	fd       int
	domain   int
	protocol int
	inode    Inode
	addr     address

	// dial is diag's maker; tests refuse here as a sandbox would.
	dial func() (*diagConn, error)
	// procNetUnix is the fallback's file.
	procNetUnix string

	mu      sync.Mutex
	diag    *diagConn
	refused error // set once netlink cannot be had at all; a sandbox does not loosen
	file    file  // what a unix listener is bound to
	bound   bool  // file is known
}

// Open looks at the socket behind fd. The error names what fd is when it is not
// a listening stream socket of a family this package knows.
func Open(fd int) (*Listener, error) {
	l := &Listener{fd: fd, dial: dialDiag, procNetUnix: "/proc/net/unix"}
	if err := l.identify(); err != nil {
		return nil, fmt.Errorf("cannot observe fd %d: %w", fd, err)
	}
	return l, nil
}

// Close releases the netlink socket, not the listening descriptor.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hangUp()
}

// Network is "unix" or "tcp".
func (l *Listener) Network() string {
	if l.domain == unix.AF_UNIX {
		return "unix"
	}
	return "tcp"
}

// Inode is the listening socket itself.
func (l *Listener) Inode() Inode { return l.inode }

// String is the address as bound: a path, "@name" (abstract), or host:port.
func (l *Listener) String() string { return l.addr.String() }

func (l *Listener) identify() error {
	var st unix.Stat_t
	if err := unix.Fstat(l.fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("it is %s, not a listening stream socket", fileKind(st.Mode))
	}
	l.inode = Inode(st.Ino)
	var err error
	if l.domain, err = unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
		return fmt.Errorf("SO_DOMAIN: %w", err)
	}
	if l.protocol, err = unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil {
		return fmt.Errorf("SO_PROTOCOL: %w", err)
	}
	if err := l.mustListen(); err != nil {
		return err
	}
	if l.addr, err = localAddress(l.fd); err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	return nil
}

func (l *Listener) mustListen() error {
	kind, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("SO_TYPE: %w", err)
	}
	name, known := family(l.domain)
	switch {
	case !known:
		return fmt.Errorf("it is a socket of family %d, neither unix nor TCP", l.domain)
	case kind != unix.SOCK_STREAM:
		return fmt.Errorf("it is a %s %s socket, not a listening stream socket", name, socketKind(kind))
	}
	listening, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("SO_ACCEPTCONN: %w", err)
	}
	if listening == 0 {
		return fmt.Errorf("it is a %s stream socket that does not listen", name)
	}
	return nil
}

func family(domain int) (name string, known bool) {
	switch domain {
	case unix.AF_UNIX:
		return "unix", true
	case unix.AF_INET, unix.AF_INET6:
		return "inet", true
	}
	return "", false
}

func socketKind(kind int) string {
	switch kind {
	case unix.SOCK_DGRAM:
		return "datagram"
	case unix.SOCK_SEQPACKET:
		return "seqpacket"
	case unix.SOCK_RAW:
		return "raw"
	}
	return fmt.Sprintf("type %d", kind)
}

func fileKind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFCHR:
		return "a character device"
	case unix.S_IFBLK:
		return "a block device"
	}
	return "an anonymous file" // epoll, eventfd, pidfd, …
}

// ask runs one exchange over the cached netlink socket, and drops the socket when
// the exchange fails: what is left unread in it belongs to no later question.
// The caller holds l.mu.
func (l *Listener) ask(exchange func(*diagConn) error) error {
	if l.refused != nil {
		return l.refused
	}
	if l.diag == nil {
		c, err := l.dial()
		if err != nil {
			if refusal(err) {
				l.refused = err
			}
			return err
		}
		l.diag = c
	}
	err := exchange(l.diag)
	if err != nil {
		l.hangUp()
	}
	return err
}

func (l *Listener) hangUp() error {
	if l.diag == nil {
		return nil
	}
	err := l.diag.close()
	l.diag = nil
	return err
}

// lookup asks for the listener itself. The slices of the answer are valid until
// the next question. The caller holds l.mu.
func (l *Listener) lookup(show uint32) (unixSocket, error) {
	var found unixSocket
	request := unixRequest(uint32(l.inode), ^uint32(0), show)
	err := l.ask(func(c *diagConn) error {
		return c.lookup(request[:], func(payload []byte) (err error) {
			found, err = parseUnixSocket(payload)
			return err
		})
	})
	if err == nil && found.inode != uint32(l.inode) {
		err = errMalformed
	}
	return found, err
}

// boundTo is the file the listener is bound to. The caller holds l.mu.
func (l *Listener) boundTo() (file, error) {
	if l.bound {
		return l.file, nil
	}
	s, err := l.lookup(showVFS)
	if err != nil {
		return file{}, err
	}
	if !s.bound {
		return file{}, fmt.Errorf("%w: the kernel does not show the file of %s", ErrUnsupported, l)
	}
	l.file, l.bound = s.file, true
	return l.file, nil
}

// refusal tells a netlink that this process may not have from one that failed
// this time: seccomp answers with these, RestrictAddressFamilies= with the last.
func refusal(err error) bool {
	return isErrno(err, unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT)
}
