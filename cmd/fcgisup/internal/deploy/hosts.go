package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// HostFlags are about apps that run on several hosts.
type HostFlags struct {
	// Host is the one whose units are wanted, empty for any.
	Host string
	// Down are those that nginx must not use.
	Down []string
}

// Define adds the flags; host says what happens without --host.
func (h *HostFlags) Define(f *pflag.FlagSet, host string) {
	f.StringVar(&h.Host, "host", "", "`NAME` of this machine among the app's hosts ("+host+")")
	f.StringArrayVar(&h.Down, "down", nil, "`HOST` of the app that nginx sends no requests to; repeatable")
}

// check refuses names that no app has, and an app without a host that serves; it puts names as the configuration has them.
func (h *HostFlags) check(apps []fcgisup.App) error {
	if h.Host != "" && !slices.ContainsFunc(apps, func(a fcgisup.App) bool { return len(a.Hosts) > 0 && a.RunsOn([]string{h.Host}) }) {
		return term.Usage(fmt.Errorf("--host: no app has %q under hosts", h.Host))
	}
	for i, name := range h.Down {
		found := false
		for _, a := range apps {
			at := slices.IndexFunc(a.Hosts, func(host fcgisup.Host) bool { return host.Is([]string{name}) })
			if at >= 0 {
				h.Down[i], found = a.Hosts[at].Name, true
			}
		}
		if !found {
			return term.Usage(fmt.Errorf("--down: no app has %q under hosts", name))
		}
	}
	for _, a := range apps {
		if len(a.Hosts) > 0 && len(h.downOf(a)) == len(a.Hosts) {
			return term.Usage(fmt.Errorf("--down %s: no host of %s would be left", strings.Join(h.Down, " --down "), a.Name))
		}
	}
	return nil
}

// downOf are the hosts of an app that are down.
func (h *HostFlags) downOf(a fcgisup.App) map[string]bool {
	down := map[string]bool{}
	for _, host := range a.Hosts {
		if slices.Contains(h.Down, host.Name) {
			down[host.Name] = true
		}
	}
	return down
}

// generator is the command that renders nginx's files with hosts down.
func (h *HostFlags) generator(made string, a fcgisup.App) string {
	for _, host := range a.Hosts {
		if slices.Contains(h.Down, host.Name) {
			made += " --down " + host.Name
		}
	}
	return made
}

// downIn are the hosts that a command of [HostFlags.generator] has.
func downIn(command string) map[string]bool {
	down := map[string]bool{}
	for words := strings.Fields(command); len(words) > 1; words = words[1:] {
		if words[0] == "--down" {
			down[words[1]] = true
		}
	}
	return down
}

// drained are the servers of the hosts that are to become idle, and how people read it.
func (h *HostFlags) drained(a fcgisup.App) (servers []fcgisup.Address, names []string) {
	down := h.downOf(a)
	for _, host := range a.Hosts {
		if !down[host.Name] {
			continue
		}
		names = append(names, host.Name)
		for n := range a.Instances {
			servers = append(servers, a.AddressOn(host, n+1))
		}
	}
	return servers, names
}

func drainLines(p Plan) []line {
	return when(len(p.idle) > 0, line{"drained", p.Name + ": " + strings.Join(p.down, " ")})
}

// drainHosts waits until nginx has no connection to hosts that are down.
func (t *transaction) drainHosts(ctx context.Context) error {
	if !t.web.running() {
		return nil
	}
	for _, p := range t.plans {
		if len(p.idle) == 0 {
			continue
		}
		peers, err := resolved(ctx, p.idle)
		if err != nil {
			return err
		}
		soon := time.AfterFunc(quietTimeout, func() {
			fmt.Fprintf(t.Err, "fcgisup: waiting until %s has served the last requests of %s, %s at most\n", strings.Join(p.down, " "), p.Name, t.drain)
		})
		waiting, cancel := context.WithTimeout(ctx, max(t.drain, time.Nanosecond))
		n, looks := 0, 0
		err = poll(waiting, func() (bool, error) {
			var err error
			if n, err = t.connectedTo(peers); n > 0 {
				looks = 0
			}
			looks++
			return looks > quietLooks, err
		})
		soon.Stop()
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return term.Hinted(fmt.Errorf("nginx has %s to %s for longer than --drain %s", term.Plural(n, "connection"), strings.Join(p.down, " "), t.drain),
				"nothing new is sent there; the same command waits again")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resolved are the addresses behind names, as nginx looks them up.
func resolved(ctx context.Context, servers []fcgisup.Address) (map[netip.AddrPort]bool, error) {
	all := map[netip.AddrPort]bool{}
	known := map[string][]netip.Addr{}
	for _, s := range servers {
		host, port, err := net.SplitHostPort(s.Addr)
		if err != nil {
			return nil, fmt.Errorf("internal error: %w", err)
		}
		if known[host] == nil {
			if known[host], err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
				return nil, fmt.Errorf("cannot look up %s: %w", host, err)
			}
		}
		for _, ip := range known[host] {
			if to, err := netip.ParseAddrPort(net.JoinHostPort(ip.Unmap().String(), port)); err == nil {
				all[to] = true
			}
		}
	}
	return all, nil
}

// connectedTo counts the connections to peers in nginx's network.
func (t *transaction) connectedTo(peers map[netip.AddrPort]bool) (int, error) {
	n := 0
	for _, master := range t.web.masters {
		sockets, err := scoreboard.InetSockets(master, "tcp", "tcp6")
		if err != nil {
			return 0, fmt.Errorf("cannot look for connections of nginx: %w", err)
		}
		n += countPeers(sockets, peers)
	}
	return n, nil
}

// countPeers counts the connections to peers that a request may be on.
func countPeers(sockets []scoreboard.InetSocket, peers map[netip.AddrPort]bool) int {
	n := 0
	for _, s := range sockets {
		switch s.State {
		case unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_SYN_SENT, unix.BPF_TCP_CLOSE_WAIT:
			if peers[s.Peer] {
				n++
			}
		}
	}
	return n
}
