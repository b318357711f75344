package scoreboard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// address is what getsockname(2) says of a socket: a unix name (a path, or with a
// leading NUL an abstract name, NULs included), or an IP address and port.
type address struct {
	unix string
	inet netip.AddrPort
}

func (a address) abstract() bool { return strings.HasPrefix(a.unix, "\x00") }

func (a address) String() string {
	switch {
	case a.unix == "":
		return a.inet.String()
	case a.abstract():
		return "@" + strings.ReplaceAll(a.unix[1:], "\x00", "@")
	}
	return a.unix
}

// localAddress makes the call itself: x/sys cuts abstract names at a NUL.
func localAddress(fd int) (address, error) {
	var raw [unix.SizeofSockaddrAny]byte
	size := uint32(len(raw))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&raw[0])), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return address{}, errno
	}
	return parseAddress(raw[:min(int(size), len(raw))])
}

// parseAddress reads a struct sockaddr.
func parseAddress(b []byte) (address, error) {
	if len(b) < 2 {
		return address{}, errors.New("a socket address of less than 2 bytes")
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_UNIX:
		return parseUnixName(b[2:])
	case family == unix.AF_INET && len(b) >= 8:
		return inetAddress(netip.AddrFrom4([4]byte(b[4:8])), b[2:4]), nil
	case family == unix.AF_INET6 && len(b) >= 24:
		return inetAddress(netip.AddrFrom16([16]byte(b[8:24])), b[2:4]), nil
	default:
		return address{}, fmt.Errorf("an address of family %d, %d bytes", family, len(b))
	}
}

func parseUnixName(name []byte) (address, error) {
	if len(name) == 0 {
		return address{}, errors.New("a unix socket without a name")
	}
	if name[0] != 0 {
		name, _, _ = bytes.Cut(name, []byte{0})
	}
	return address{unix: string(name)}, nil
}

func inetAddress(a netip.Addr, port []byte) address {
	return address{inet: netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))}
}
