package scoreboard

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// sock_diag(7) and linux/sock_diag.h.
const (
	sockDiagByFamily = unix.SOCK_DIAG_BY_FAMILY
	diagBuffer       = 32 << 10 // the largest message netlink makes for a dump
)

// errMalformed reports a message that contradicts its own lengths.
var errMalformed = errors.New("malformed netlink message")

// diagConn is one netlink socket. The kernel answers sock_diag requests within
// sendmsg, so nothing here ever waits and the runtime poller is not needed: that
// is the difference between 3 µs and 20 µs for a lookup. Not safe for concurrent
// use.
type diagConn struct {
	fd  int
	seq uint32
	buf []byte
}

func dialDiag() (*diagConn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("cannot open a sock_diag socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot connect a sock_diag socket: %w", err)
	}
	return &diagConn{fd: fd, buf: make([]byte, diagBuffer)}, nil
}

func (c *diagConn) close() error { return unix.Close(c.fd) }

// lookup sends an exact request and hands the one answer to visit.
func (c *diagConn) lookup(request []byte, visit func(payload []byte) error) error {
	if err := c.send(unix.NLM_F_REQUEST, request); err != nil {
		return err
	}
	return c.receive(false, visit)
}

// dump sends a dump request and hands every answer to visit. The payload is
// valid during the call only.
func (c *diagConn) dump(request []byte, visit func(payload []byte) error) error {
	if err := c.send(unix.NLM_F_REQUEST|unix.NLM_F_DUMP, request); err != nil {
		return err
	}
	return c.receive(true, visit)
}

func (c *diagConn) send(flags uint16, request []byte) error {
	c.seq++
	b := c.buf[:unix.SizeofNlMsghdr+len(request)]
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], c.seq)
	binary.NativeEndian.PutUint32(b[12:], 0)
	copy(b[unix.SizeofNlMsghdr:], request)
	return ignoringEINTR(func() error { _, err := unix.Write(c.fd, b); return err })
}

func (c *diagConn) receive(dump bool, visit func([]byte) error) error {
	for {
		var n int
		err := ignoringEINTR(func() (err error) { n, err = unix.Read(c.fd, c.buf); return err })
		if err != nil {
			return err
		}
		if n == 0 {
			return errMalformed
		}
		done, err := c.walk(c.buf[:n], dump, visit)
		if done || err != nil {
			return err
		}
	}
}

// walk visits the messages of one datagram and reports whether the answer is
// complete. Answers to an earlier, abandoned request are passed over.
func (c *diagConn) walk(b []byte, dump bool, visit func([]byte) error) (bool, error) {
	for len(b) > 0 {
		m, rest, err := splitMessage(b)
		if err != nil {
			return false, err
		}
		b = rest
		if m.seq != c.seq {
			continue
		}
		switch m.kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return true, m.errno()
		case sockDiagByFamily:
			if err := visit(m.payload); err != nil {
				return false, err
			}
			if !dump {
				return true, nil
			}
		}
	}
	return false, nil
}

type message struct {
	kind    uint16
	seq     uint32
	payload []byte
}

// splitMessage takes the first message off b (struct nlmsghdr, netlink(7)).
func splitMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < unix.SizeofNlMsghdr {
		return message{}, nil, errMalformed
	}
	size := binary.NativeEndian.Uint32(b)
	if size < unix.SizeofNlMsghdr || uint64(size) > uint64(len(b)) {
		return message{}, nil, errMalformed
	}
	m = message{
		kind:    binary.NativeEndian.Uint16(b[4:]),
		seq:     binary.NativeEndian.Uint32(b[8:]),
		payload: b[unix.SizeofNlMsghdr:size],
	}
	return m, b[min(align4(int(size)), len(b)):], nil
}

// errno is the status a DONE or ERROR message carries: a negative errno, or 0.
func (m message) errno() error {
	if len(m.payload) < 4 {
		if m.kind == unix.NLMSG_DONE {
			return nil
		}
		return errMalformed
	}
	switch code := int32(binary.NativeEndian.Uint32(m.payload)); {
	case code == 0:
		return nil
	case code < 0 && code > -4096:
		return unix.Errno(-code)
	default:
		if m.kind == unix.NLMSG_DONE {
			return nil
		}
		return errMalformed
	}
}

// eachAttribute visits the attributes in b (struct nlattr).
func eachAttribute(b []byte, visit func(kind uint16, value []byte)) error {
	for len(b) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return errMalformed
		}
		visit(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:size])
		b = b[min(align4(size), len(b)):]
	}
	return nil
}

func align4(n int) int { return (n + 3) &^ 3 }

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
