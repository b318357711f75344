package scoreboard

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// linux/inet_diag.h.
const (
	inetRequestSize = 56 // struct inet_diag_req_v2
	inetMessageSize = 72 // struct inet_diag_msg
)

// inetSocket is one struct inet_diag_msg.
type inetSocket struct {
	state         byte
	local, remote netip.AddrPort
	inode         uint32
	// queued and backlog are a listener's; of connections they are bytes.
	queued, backlog uint32
}

// inetRequest asks for a dump of the TCP sockets of a family in states (a bit
// set of 1<<state) with a local port; the kernel filters by all three.
func inetRequest(family byte, states uint32, port uint16) [inetRequestSize]byte {
	var b [inetRequestSize]byte
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], states)
	binary.BigEndian.PutUint16(b[8:], port)
	binary.NativeEndian.PutUint32(b[48:], ^uint32(0)) // cookie: any
	binary.NativeEndian.PutUint32(b[52:], ^uint32(0))
	return b
}

func parseInetSocket(b []byte) (inetSocket, error) {
	if len(b) < inetMessageSize {
		return inetSocket{}, errMalformed
	}
	return inetSocket{
		state:  b[1],
		local:  diagAddress(b[0], b[8:24], b[4:6]),
		remote: diagAddress(b[0], b[24:40], b[6:8]),
		queued: binary.NativeEndian.Uint32(b[56:]), backlog: binary.NativeEndian.Uint32(b[60:]),
		inode: binary.NativeEndian.Uint32(b[68:]),
	}, nil
}

func diagAddress(family byte, addr, port []byte) netip.AddrPort {
	a := netip.AddrFrom16([16]byte(addr))
	if family == unix.AF_INET {
		a = netip.AddrFrom4([4]byte(addr[:4]))
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}
