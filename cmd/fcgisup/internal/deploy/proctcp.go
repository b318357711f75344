package deploy

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// The states of connections that a request may be on, as /proc/net/tcp has them (include/net/tcp_states.h).
const (
	tcpEstablished = "01"
	tcpSynSent     = "02"
	tcpCloseWait   = "08"
)

// countPeers counts the connections to peers in a table such as /proc/net/tcp.
func countPeers(table string, peers map[netip.AddrPort]bool) int {
	n := 0
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		switch fields[3] {
		case tcpEstablished, tcpSynSent, tcpCloseWait:
			if peer, ok := tablePeer(fields[2]); ok && peers[peer] {
				n++
			}
		}
	}
	return n
}

// tablePeer reads an address as the kernel prints it: words of 32 bits in the machine's order, and the port.
func tablePeer(s string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(s, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	raw, err2 := hex.DecodeString(address)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), ok
}
