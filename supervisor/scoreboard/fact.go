package scoreboard

import (
	"errors"
	"net/netip"
	"strconv"
)

var (
	// ErrUnsupported marks a fact that this kernel, kind of socket or sandbox
	// does not give. The wrapping error says why.
	ErrUnsupported = errors.New("not to be known here")
	// ErrAmbiguous marks a fact that would have to be guessed, because several
	// listeners cannot be told apart.
	ErrAmbiguous = errors.New("several listeners cannot be told apart")
	// ErrGone marks a process that does not exist (any more).
	ErrGone = errors.New("no such process")
)

// Inode is the number of a socket in sockfs, the N of "socket:[N]" in
// /proc/PID/fd. It is not used again until 2^32 more sockets have been made.
// 0 is not a socket.
type Inode uint64

// Source says where an observation came from.
type Source string

// The sources of a [Queue].
const (
	SockDiag Source = "sock_diag"
	ProcNet  Source = "/proc/net/unix"
	TCPInfo  Source = "tcp_info"
)

// Limit is a number that may not be known. The zero value is unknown.
type Limit struct {
	value int
	known bool
}

// KnownLimit is the limit n.
func KnownLimit(n int) Limit { return Limit{n, true} }

// Value is the number, and whether it is known.
func (l Limit) Value() (n int, known bool) { return l.value, l.known }

func (l Limit) String() string {
	if !l.known {
		return "unknown"
	}
	return strconv.Itoa(l.value)
}

// Queue is the accept queue of a listener.
type Queue struct {
	// Length counts the connections that wait to be accepted, those whose client
	// has closed meanwhile included.
	Length int
	// Capacity is the effective backlog of listen(2), after the cut at somaxconn.
	// Linux admits one connection more.
	Capacity Limit
	Source   Source
}

// Waiter is a connection in the accept queue. Comparable: the same connection is
// the same value until its client goes.
type Waiter struct {
	// Peer is the client's socket on a unix listener; 0 when the client has closed.
	Peer Inode
	// Remote is the client's address on a TCP listener.
	Remote netip.AddrPort
	// Gone is set when the client has closed: the entry is abandoned, but costs
	// the process that accepts it a request anyway.
	Gone bool
}

// Conn is a connection that has been accepted and is still open in some process.
type Conn struct {
	// Inode is the accepted socket.
	Inode Inode
	// Peer is the client's socket on a unix listener; 0 when the client has closed
	// or, with [ProcNet], is not known.
	Peer Inode
	// Remote is the client's address on a TCP listener.
	Remote netip.AddrPort
	// Gone is set when the client has closed.
	Gone bool
	// Shut is set when a holder has ended its side (shutdown(2)) and the client is
	// still there: it has all that it will get. Unix sockets only.
	Shut bool
	// Unread are bytes from the client that were not read yet.
	Unread int
}
