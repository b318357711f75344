package fcgisup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// maxUnixPath is what fits into sun_path with its NUL, unix(7).
const maxUnixPath = 107

// Address is where one instance listens.
type Address struct {
	// Network is "unix" or "tcp", as package net has it.
	Network string
	// Addr is an absolute path or host:port.
	Addr string
}

func (a Address) String() string { return a.Addr }

// Canonical returns the address in the form in which two are compared: /var/run is a link to /run, file-hierarchy(7), and
// systemd listens at the latter whichever a unit names.
func (a Address) Canonical() Address {
	if rest, ok := strings.CutPrefix(a.Addr, "/var/run/"); ok && a.Network == "unix" {
		a.Addr = "/run/" + rest
	}
	return a
}

// ParseAddress reads an address as the command line takes it: a socket path,
// "unix:PATH" or HOST:PORT.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s = path
	}
	if strings.HasPrefix(s, "/") {
		return Address{"unix", s}, checkUnixPath(s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.Contains(host, "/") {
		return Address{}, fmt.Errorf("%q is neither an absolute socket path nor HOST:PORT", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return Address{}, fmt.Errorf("port %q is not between 1 and 65535", port)
	}
	return Address{"tcp", net.JoinHostPort(host, port)}, nil
}

// Listen is the pattern of an app's addresses: a unix path in which "%i" is
// the instance's number, or an IP address with the port of instance 1.
type Listen struct {
	// Path is set for unix sockets.
	Path string
	// Host and Port are set for TCP; an empty Host is every address.
	Host string
	Port int
}

// ListenAt is a pattern that means one address, for an app with one instance.
func ListenAt(a Address) (Listen, error) {
	if a.Network == "unix" {
		return Listen{Path: a.Addr}, nil
	}
	return parseListen(a.Addr)
}

// IsZero tells an absent pattern.
func (l Listen) IsZero() bool { return l == Listen{} }

// Network is "unix" or "tcp".
func (l Listen) Network() string {
	if l.Path != "" {
		return "unix"
	}
	return "tcp"
}

// Address is where instance n listens, n counted from 1.
func (l Listen) Address(n int) Address {
	if l.Path != "" {
		return Address{"unix", strings.ReplaceAll(l.Path, "%i", strconv.Itoa(n))}
	}
	return Address{"tcp", net.JoinHostPort(l.Host, strconv.Itoa(l.Port+n-1))}
}

func (l Listen) String() string {
	if l.Path != "" {
		return l.Path
	}
	return net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
}

func parseListen(s string) (Listen, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s = path
	}
	if strings.HasPrefix(s, "/") {
		if strings.Contains(strings.ReplaceAll(s, "%i", ""), "%") {
			return Listen{}, errors.New("only %i is expanded; no other % may stand in a path")
		}
		return Listen{Path: s}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Listen{}, errors.New("must be an absolute socket path or IP:PORT")
	}
	if host == "*" {
		host = ""
	}
	if host != "" {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return Listen{}, fmt.Errorf("%q is not an IP address; systemd listens on addresses, not names", host)
		}
		host = ip.String()
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return Listen{}, fmt.Errorf("port %q is not between 1 and 65535", port)
	}
	return Listen{Host: host, Port: n}, nil
}

// check reports whether each of the app's instances gets a usable address of its own.
func (l Listen) check(instances int) error {
	if l.Path == "" {
		if last := l.Port + instances - 1; last > 65535 {
			return fmt.Errorf("instance %d would listen on port %d, beyond 65535", instances, last)
		}
		return nil
	}
	if instances > 1 && !strings.Contains(l.Path, "%i") {
		return fmt.Errorf("must contain %%i: %d instances cannot share one socket path", instances)
	}
	return checkUnixPath(l.Address(instances).Addr)
}

func checkUnixPath(path string) error {
	if len(path) > maxUnixPath {
		return fmt.Errorf("socket path %s has %d bytes, %d at most", path, len(path), maxUnixPath)
	}
	if path != filepath.Clean(path) || path == "/" {
		return fmt.Errorf("socket path %q is not a clean path to a file", path)
	}
	return nil
}
