package fcgisup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// MaxHosts bounds the hosts of one app.
const MaxHosts = 100

// Host is a machine that runs the instances of an app.
type Host struct {
	// Name is a host name in lower case, or an IP address.
	Name string
	// Backup is for a host that gets requests only while no other can be reached.
	Backup bool
}

// Is reports whether one of the names of a machine is the host's: an IP address, its full name, or the first label of either.
func (h Host) Is(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		name = strings.ToLower(name)
		return name == h.Name || h.IsName() && (strings.HasPrefix(name, h.Name+".") || strings.HasPrefix(h.Name, name+"."))
	})
}

// IsName reports whether the host has to be looked up.
func (h Host) IsName() bool {
	_, err := netip.ParseAddr(h.Name)
	return err != nil
}

// RunsOn reports whether a machine with these names runs the app's instances: every machine does without hosts.
func (a App) RunsOn(names []string) bool {
	return len(a.Hosts) == 0 || slices.ContainsFunc(a.Hosts, func(h Host) bool { return h.Is(names) })
}

// AddressOn is where another machine reaches instance n of a host.
func (a App) AddressOn(h Host, n int) Address {
	return Address{"tcp", net.JoinHostPort(h.Name, strconv.Itoa(a.Listen.Port+n-1))}
}

var hostRule = pattern(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// maxHostName is what DNS allows.
const maxHostName = 253

// ParseHost reads a host as the configuration has it: a name or an IP address, and perhaps the word backup.
func ParseHost(s string) (Host, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Host{}, errors.New("must not be empty")
	}
	var h Host
	switch {
	case len(words) == 2 && words[1] == "backup":
		h.Backup = true
	case len(words) > 1:
		return Host{}, fmt.Errorf("%q is not a host, with or without the word backup after it", s)
	}
	name := strings.ToLower(words[0])
	if inner, ok := strings.CutPrefix(name, "["); ok && strings.HasSuffix(inner, "]") {
		name = strings.TrimSuffix(inner, "]")
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
			return Host{}, fmt.Errorf("%q is not the address of one host", words[0])
		}
		h.Name = ip.String()
		return h, nil
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, err := strconv.Atoi(last); err == nil || len(name) > maxHostName || !hostRule().MatchString(name) {
		return Host{}, fmt.Errorf("%q is not a host name or an IP address; the port is that of listen", words[0])
	}
	h.Name = name
	return h, nil
}

func hosts(p *[]Host) set {
	return kindly("list of host names and IP addresses, each with or without the word backup", func(d *decoder, n *yaml.Node, key string) {
		*p = nil
		d.sequence(n, key, func(n *yaml.Node, at string) {
			var h Host
			value(&h, ParseHost)(d, n, at)
			switch {
			case h.Name == "":
				return
			case slices.ContainsFunc(*p, func(other Host) bool { return other.Name == h.Name }):
				d.errorAt(n, at, "%s is in the list already", h.Name)
			case len(*p) == MaxHosts:
				d.errorAt(n, at, "is one more than the %d hosts that an app may have", MaxHosts)
			}
			*p = append(*p, h)
		})
		if d.describing() {
			d.about(key, func(k *Key) { k.Default = "" })
		}
	})
}

// checkHosts refuses hosts that the app's address or the way of balancing does not allow.
func (d *decoder) checkHosts(a *App, fail func(sub, format string, args ...any), warn func(sub, format string, args ...any)) {
	backups := 0
	for _, h := range a.Hosts {
		if h.Backup {
			backups++
		}
	}
	if len(a.Hosts) == 0 {
		return
	}
	method, _, _ := strings.Cut(a.Nginx.Balance, " ")
	ip, _ := netip.ParseAddr(a.Listen.Host)
	switch {
	case a.Listen.Network() == "unix":
		fail("hosts", "needs a TCP listen, such as 0.0.0.0:9000: other hosts cannot reach the socket %s", a.Listen)
	case ip.IsLoopback():
		warn("listen", "is a loopback address, which the web server on another host reaches only through a tunnel, such as one for TLS; without one listen on 0.0.0.0:%d", a.Listen.Port)
	case ip.IsValid() && !ip.IsUnspecified() && len(a.Hosts) > 1:
		fail("listen", "%s is an address of one host, and %d are in hosts; listen on 0.0.0.0:%d", ip, len(a.Hosts), a.Listen.Port)
	}
	switch {
	case backups == len(a.Hosts):
		fail("hosts", "marks all hosts as backup; one at least must serve")
	case backups > 0 && (method == "hash" || method == "ip_hash" || method == "random"):
		fail("hosts", "marks a backup, which nginx does not have with nginx.balance: %s", method)
	}
}
