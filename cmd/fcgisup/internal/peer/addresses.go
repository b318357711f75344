package peer

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// OwnAddresses are this host's; without them there are only fewer findings.
func OwnAddresses() []netip.Addr {
	var all []netip.Addr
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all
}

// Canonical is an address with the links in its path followed: /var/run is
// mostly /run, and systemd makes links to sockets (Symlinks=).
func Canonical(a fcgisup.Address) fcgisup.Address {
	if a.Network != "unix" {
		return a
	}
	if real, err := filepath.EvalSymlinks(a.Addr); err == nil {
		a.Addr = real
		return a
	}
	folder, name := filepath.Split(a.Addr)
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		a.Addr = filepath.Join(real, name)
	}
	return a
}

// HostPort takes a TCP address apart; invalid is every address of a listener,
// and a name other than localhost.
func HostPort(a fcgisup.Address) (ip netip.Addr, port string, known bool) {
	host, port, err := net.SplitHostPort(a.Addr)
	if err != nil || a.Network != "tcp" {
		return ip, "", false
	}
	if host == "" || host == "*" {
		return ip, port, true
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err = netip.ParseAddr(host)
	if ip = ip.Unmap(); ip.IsUnspecified() {
		ip = netip.Addr{}
	}
	return ip, port, err == nil
}

// Serves reports whether what listens on an address gets the connections to another.
func Serves(listen, target fcgisup.Address) bool {
	if listen.Network != target.Network {
		return false
	}
	if listen.Network == "unix" {
		return listen.Addr == target.Addr
	}
	at, port, ok := HostPort(listen)
	to, toPort, known := HostPort(target)
	if !ok || !known || port != toPort {
		return false
	}
	return !at.IsValid() || at == to || at.IsLoopback() && strings.HasPrefix(target.Addr, "localhost:")
}
