package term

import (
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/fcgisup/fcgisup"
)

// ThisHost returns the name and the addresses of this machine, which a configuration may have under hosts. No name server is
// asked: a web server's may have a tunnel under the name of a host.
func ThisHost() []string {
	var names []string
	if name, err := os.Hostname(); err == nil && name != "" {
		names = append(names, name)
	}
	addresses, _ := net.InterfaceAddrs() // fewer names then
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			names = append(names, p.Addr().Unmap().String())
		}
	}
	return names
}

// LoadHere is Load less the apps that run on other hosts, whose instances are not here to be asked.
func (c *Env) LoadHere() (*fcgisup.Config, error) {
	cfg, err := c.Load()
	if err != nil {
		return cfg, err
	}
	here := ThisHost()
	cfg.Apps = slices.DeleteFunc(cfg.Apps, func(a fcgisup.App) bool { return !a.RunsOn(here) })
	return cfg, nil
}
