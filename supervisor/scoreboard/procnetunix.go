package scoreboard

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// listing is what /proc/net/unix tells of the sockets that bear one name.
type listing struct {
	listeners int
	ours      bool // the listener asked for is among them
	queued    int
	accepted  []Conn
}

// list is the way without netlink. The caller holds l.mu.
func (l *Listener) list() (listing, error) {
	b, err := os.ReadFile(l.procNetUnix)
	if err != nil {
		return listing{}, err
	}
	found := parseProcNetUnix(b, procNetName(l.addr.unix), l.inode)
	switch {
	case !found.ours:
		return listing{}, fmt.Errorf("%w: not in %s (a socket of another network namespace?)", ErrUnsupported, l.procNetUnix)
	case found.listeners > 1:
		return listing{}, fmt.Errorf("%w: %d bear the name %s", ErrAmbiguous, found.listeners, l)
	}
	return found, nil
}

// procNetName is a name as /proc/net/unix prints it: NULs become "@".
func procNetName(name string) string { return strings.ReplaceAll(name, "\x00", "@") }

// procNetUnixLine is "Num RefCount Protocol Flags Type St Inode Path" (unix(7)).
type procNetUnixLine struct {
	refs, flags, kind, state uint64
	inode                    Inode
	name                     []byte
}

const (
	flagAcceptCon   = 1 << 16 // __SO_ACCEPTCON
	procConnecting  = 2       // SS_CONNECTING: connected, but no file yet
	procConnected   = 3       // SS_CONNECTED
	procStream      = 1       // SOCK_STREAM
	refsWithoutPeer = 2       // its own and the hash table's; a living peer holds a third
)

// parseProcNetUnix picks the lines that bear name. What does not parse is passed
// over: another socket's name may hold a newline.
func parseProcNetUnix(b []byte, name string, listener Inode) listing {
	found := listing{accepted: []Conn{}}
	for len(b) > 0 {
		var text []byte
		text, b, _ = bytes.Cut(b, []byte{'\n'})
		line, ok := parseProcNetUnixLine(text)
		if !ok || string(line.name) != name || line.kind != procStream {
			continue
		}
		switch {
		case line.flags&flagAcceptCon != 0:
			found.listeners++
			found.ours = found.ours || line.inode == listener
		case line.state == procConnecting && line.inode == 0:
			found.queued++
		case line.state == procConnected && line.inode != 0:
			found.accepted = append(found.accepted, Conn{Inode: line.inode, Gone: line.refs <= refsWithoutPeer})
		}
	}
	return found
}

func parseProcNetUnixLine(b []byte) (procNetUnixLine, bool) {
	var (
		line   procNetUnixLine
		number [5]uint64
	)
	_, b, ok := bytes.Cut(b, []byte(": ")) // Num: a kernel address, of no use
	for i := 0; ok && i < len(number); i++ {
		var field []byte
		var err error
		field, b, ok = bytes.Cut(b, []byte{' '})
		if number[i], err = strconv.ParseUint(string(field), 16, 64); err != nil {
			return line, false
		}
	}
	if !ok {
		return line, false
	}
	inode, name, ok := bytes.Cut(bytes.TrimLeft(b, " "), []byte{' '})
	n, err := strconv.ParseUint(string(inode), 10, 64)
	if !ok || err != nil {
		return line, false // no name: not bound
	}
	return procNetUnixLine{
		refs: number[0], flags: number[2], kind: number[3], state: number[4],
		inode: Inode(n), name: name,
	}, true
}
