package scoreboard

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// linux/unix_diag.h.
const (
	showName  = 0x01
	showVFS   = 0x02
	showPeer  = 0x04
	showIcons = 0x08
	showRQLen = 0x10

	attrName  = 0
	attrVFS   = 1
	attrPeer  = 2
	attrIcons = 3
	attrRQLen = 4
	attrShut  = 6

	unixRequestSize = 24 // struct unix_diag_req
	unixMessageSize = 16 // struct unix_diag_msg

	stateEstablished = 1 // TCP_ESTABLISHED; unix sockets use the same numbers
	stateCloseWait   = 8
	stateListen      = 10
)

// file identifies the file a unix socket is bound to, in the kernel's own
// encoding: the inode number cut to 32 bits, the device as dev_t of the kernel.
type file struct{ inode, device uint32 }

// unixSocket is one struct unix_diag_msg with those attributes that came. Slices
// point into the message.
type unixSocket struct {
	kind, state byte
	inode       uint32
	name        []byte
	file        file
	bound       bool // file is known
	peer        uint32
	peerKnown   bool
	icons       []byte
	iconsKnown  bool
	queued      uint32
	backlog     uint32
	queueKnown  bool
	shut        byte // RCV_SHUTDOWN 1, SEND_SHUTDOWN 2
}

// unixRequest makes a struct unix_diag_req: an exact lookup when inode is not 0,
// else for a dump of the sockets in states (a bit set of 1<<state).
func unixRequest(inode, states, show uint32) [unixRequestSize]byte {
	var b [unixRequestSize]byte
	b[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(b[4:], states)
	binary.NativeEndian.PutUint32(b[8:], inode)
	binary.NativeEndian.PutUint32(b[12:], show)
	binary.NativeEndian.PutUint32(b[16:], ^uint32(0)) // cookie: any
	binary.NativeEndian.PutUint32(b[20:], ^uint32(0))
	return b
}

func parseUnixSocket(b []byte) (unixSocket, error) {
	if len(b) < unixMessageSize {
		return unixSocket{}, errMalformed
	}
	s := unixSocket{kind: b[1], state: b[2], inode: binary.NativeEndian.Uint32(b[4:])}
	err := eachAttribute(b[unixMessageSize:], s.attribute)
	return s, err
}

func (s *unixSocket) attribute(kind uint16, value []byte) {
	switch {
	case kind == attrName:
		s.name = value
	case kind == attrVFS && len(value) >= 8:
		s.file = file{binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])}
		s.bound = true
	case kind == attrPeer && len(value) >= 4:
		s.peer, s.peerKnown = binary.NativeEndian.Uint32(value), true
	case kind == attrIcons:
		s.icons, s.iconsKnown = value, true
	case kind == attrRQLen && len(value) >= 8:
		s.queued, s.backlog = binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])
		s.queueKnown = true
	case kind == attrShut && len(value) >= 1:
		s.shut = value[0]
	}
}

// waiters decodes the icons: the inodes of the clients in queue order.
func (s *unixSocket) waiters() []Waiter {
	w := make([]Waiter, 0, len(s.icons)/4)
	for b := s.icons; len(b) >= 4; b = b[4:] {
		peer := Inode(binary.NativeEndian.Uint32(b))
		w = append(w, Waiter{Peer: peer, Gone: peer == 0})
	}
	return w
}

func (s *unixSocket) conn() Conn {
	return Conn{Inode: Inode(s.inode), Peer: Inode(s.peer), Gone: s.peer == 0, Shut: s.peer != 0 && s.shut&2 != 0, Unread: int(s.queued)}
}
