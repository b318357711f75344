package scoreboard

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// InetSocket is a line of /proc/PID/net/tcp or udp, proc(5).
type InetSocket struct {
	Local, Peer netip.AddrPort
	// State is a constant of include/net/tcp_states.h, also for UDP.
	State uint64
	Inode Inode
}

// InetSockets reads tables such as tcp6 of the network namespace that a process is in. A table that the kernel does not have
// is empty. Other than netlink, this reads another namespace than our own.
func InetSockets(pid int, tables ...string) ([]InetSocket, error) {
	var all []InetSocket
	for _, table := range tables {
		text, err := os.ReadFile(fmt.Sprintf("%s/net/%s", procDir(pid), table))
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if s, ok := ParseInetSocket(line); ok {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// ParseInetSocket reads one line; false for the heading and what is not a socket.
func ParseInetSocket(line string) (InetSocket, bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return InetSocket{}, false
	}
	var s InetSocket
	local, errLocal := hexAddress(fields[1])
	peer, errPeer := hexAddress(fields[2])
	state, errState := strconv.ParseUint(fields[3], 16, 8)
	inode, errInode := strconv.ParseUint(fields[9], 10, 64)
	if errors.Join(errLocal, errPeer, errState, errInode) != nil {
		return s, false
	}
	return InetSocket{local, peer, state, Inode(inode)}, true
}

// hexAddress reads an address as the kernel prints it: words of 32 bits in the host's order, in hexadecimal.
func hexAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	b, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for at := 0; at+4 <= len(b); at += 4 {
		binary.NativeEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// FileFlags returns the flags of open(2) of an open file of a process.
func FileFlags(pid, fd int) (int, error) {
	var buf [512]byte
	b, err := readProc(fmt.Sprintf("%s/fdinfo/%d", procDir(pid), fd), buf[:])
	if err != nil {
		return unix.O_RDWR, err
	}
	_, flags := parseFDInfo(b)
	return int(flags), nil
}
