package fcgisup

import (
	"cmp"

	"gopkg.in/yaml.v3"
)

// connects reports whether the workers and the supervisor of an app may connect to
// the unix sockets of another, as far as the configuration says who they are.
func (a App) connects(to App) bool {
	mode, own := to.Socket.Mode, cmp.Or(a.Group, a.User)
	switch {
	case a.User == "root" || a.User == "0":
		return true
	case a.User == to.Socket.User:
		return mode&0o200 != 0
	case own == to.SocketGroup():
		return mode&0o020 != 0
	}
	return mode&0o002 != 0
}

// warnSockets says what it costs to set the owner, group or mode of sockets by hand.
func (d *decoder) warnSockets(c *Config) {
	warn := func(a App, format string, args ...any) {
		key := "apps." + a.Name + ".socket"
		d.warnAt(d.at(key, (*yaml.Node)(nil)), key, format, args...)
	}
	for _, a := range c.Apps {
		if a.Listen.Network() != "unix" {
			continue
		}
		if a.Systemd.Supervise && a.Health.Interval > 0 && a.Health.Address.IsZero() && a.User != "" && !a.connects(a) {
			warn(a, "keeps out its own supervisor, which runs as %s: no probe is sent, and only the kernel tells how the workers are; leave out group, with mode \"0660\"", a.User)
		}
		for _, other := range c.Apps {
			if other.User != a.User && other.User != "" && other.connects(a) && other.User != "root" && other.User != "0" {
				warn(a, "lets the workers of %s connect, which run as %s: they can send it any request; give %s a user and a group of its own", other.Name, other.User, other.Name)
				break
			}
		}
	}
}
