package scoreboard

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// Peer is the other end of a unix socket.
type Peer struct {
	// Name is a path or "@name" (abstract); empty for a socket that bears none, as those of socketpair(2), or that has not
	// been accepted yet.
	Name string
	// Datagram tells that messages go to the peer, and no stream.
	Datagram bool
}

// PeerOf returns the peer of a unix socket; false for one that is not connected, or not a unix socket.
func PeerOf(inode Inode) (peer Peer, connected bool, err error) {
	err = asking(func(l *Listener) error {
		return l.ask(func(c *diagConn) error {
			own, known, err := lookupUnix(c, uint32(inode), showPeer)
			if err != nil || !known || !own.peerKnown {
				return err
			}
			connected, peer.Datagram = true, own.kind == unix.SOCK_DGRAM
			if own.peer == 0 { // the other end has not been accepted yet
				return nil
			}
			other, _, err := lookupUnix(c, own.peer, showName)
			if name := other.name; len(name) > 0 {
				if name[0] != 0 {
					name, _, _ = bytes.Cut(name, []byte{0})
				}
				peer.Name = address{unix: string(name)}.String()
			}
			return err
		})
	})
	return peer, connected, err
}

// lookupUnix returns one socket; false if there is none.
func lookupUnix(c *diagConn, inode, show uint32) (found unixSocket, known bool, err error) {
	request := unixRequest(inode, 0, show)
	err = c.lookup(request[:], func(b []byte) error {
		s, err := parseUnixSocket(b)
		s.name = bytes.Clone(s.name)
		found, known = s, true
		return err
	})
	if errors.Is(err, unix.ENOENT) {
		return unixSocket{}, false, nil
	}
	return found, known, err
}
