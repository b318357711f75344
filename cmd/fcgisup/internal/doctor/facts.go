package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// facts are what doctor has seen. The rules look at nothing else. A nil or
// empty part could not be seen, and a finding in unseen says why.
type facts struct {
	config   string
	apps     []appFacts
	warnings fcgisup.Errors
	// writable are files that decide what runs and that the wrong users can change.
	writable []writable

	systemd bool
	sockets []socketFacts
	// named are the units that apps name, and apps' own targets.
	named map[string]units.Unit

	web *webFacts

	// failing are the instances whose supervisors say so.
	failing []control.Status
	// unforked are those that have no template, although the configuration asks for one.
	unforked []control.Status
	// denied are the instances of which a worker was refused something, perhaps by the sandbox.
	denied  []control.Status
	monitor monitorFacts

	// somaxconn caps every backlog; 0 is not known.
	somaxconn int
	listeners []listener
	// unowned are the backends without a socket unit that a process listens on.
	unowned []unowned
	// own are this host's addresses besides loopback.
	own []netip.Addr

	unseen []finding.Finding
}

// socketFacts is a socket unit that is, or may well be, about FastCGI.
type socketFacts struct {
	units.SocketUnit
	service units.ServiceUnit
	// app is whose unit it is; empty for one written by hand.
	app string
	// missing are values of its service that this host does not have, by directive.
	missing []configured
	// program is what is wrong with the program of its service: a finding's id and words.
	program *finding.Finding
	// open tells that everybody may connect to a socket file of it.
	open bool
	// lost tells that the socket listens and its file is not there.
	lost bool
}

// webFacts are nginx's.
type webFacts struct {
	build     nginx.Build
	effective *nginx.Effective
	// workers are those that take requests, the youngest first.
	workers []nginx.Process
	// made are the apps of the files that gen has made.
	made map[string]string
	// refused is what nginx complains of, empty if it does not.
	refused string
	// privateTmp tells that nginx's service has a /tmp of its own.
	privateTmp bool
	// newer are the files that have changed since nginx's workers began.
	newer []string
	// user is who connects, who its credentials, nil if they are not known;
	// access is what connecting would meet.
	user   string
	who    *access.Credentials
	access map[fcgisup.Address]access.Result
	// hosts are this host's addresses of the names that it passes to.
	hosts map[string][]netip.Addr
}

func (d *Doctor) gather(ctx context.Context, cfg *fcgisup.Config) (*facts, error) {
	f := &facts{own: peer.OwnAddresses()}
	f.kernel()
	if err := d.gatherApps(f, cfg); err != nil {
		return nil, err
	}
	if err := f.gatherNginx(ctx); err != nil {
		return nil, err
	}
	systemd, err := units.Connect(ctx)
	switch {
	case errors.Is(err, units.ErrNoSystemd):
		f.note("no-systemd", "systemd", "It does not run here, so no unit was examined.", "fcgisup run supervises without it, as in a container")
	case err != nil:
		f.note("no-systemd", "systemd", "It did not answer, so no unit was examined: "+err.Error()+".", "sudo fcgisup doctor")
	default:
		defer systemd.Close()
		if err := f.gatherUnits(ctx, systemd); err != nil {
			return nil, err
		}
	}
	f.gatherFailing(ctx)
	f.gatherAccess()
	f.gatherHosts(ctx)
	f.unowned = gatherUnowned(f.withoutUnit())
	return f, nil
}

// note says what could not be looked at.
func (f *facts) note(id, subject, message, fix string) {
	f.unseen = append(f.unseen, finding.Finding{ID: id, Severity: finding.Note, Subject: subject, Message: message, Fix: fix})
}

// looked is where doctor has looked.
func (f *facts) looked() string {
	var parts []string
	if f.config != "" {
		parts = append(parts, f.config)
	}
	if f.systemd {
		parts = append(parts, term.Plural(len(f.sockets), "socket unit"))
	}
	if f.web != nil && f.web.effective != nil {
		parts = append(parts, fmt.Sprintf("nginx %s (%s)", f.web.build.Version, term.Plural(len(f.web.effective.Passes), "FastCGI location")))
	}
	return strings.Join(append(parts, "the kernel"), ", ")
}

// here reports whether a target is on this host.
func (f *facts) here(target fcgisup.Address) bool {
	if target.Network == "unix" {
		return true
	}
	ip, _, known := peer.HostPort(target)
	return known && (!ip.IsValid() || ip.IsLoopback() || slices.Contains(f.own, ip))
}

// backend is where nginx connects to, and the first place that says so.
type backend struct {
	address fcgisup.Address
	at      nginx.Place
}

// backends are those on this host that nginx sends FastCGI requests to.
func (f *facts) backends() []backend {
	return slices.DeleteFunc(f.passes(), func(b backend) bool { return !f.here(b.address) })
}

// targets are all addresses that nginx sends FastCGI requests to.
func (f *facts) targets() []fcgisup.Address {
	var all []fcgisup.Address
	for _, b := range f.passes() {
		all = append(all, b.address)
	}
	return all
}

func (f *facts) passes() []backend {
	if f.web == nil || f.web.effective == nil {
		return nil
	}
	var all []backend
	seen := map[fcgisup.Address]bool{}
	add := func(a fcgisup.Address, at nginx.Place) {
		if a.Addr != "" && !seen[a] {
			seen[a] = true
			all = append(all, backend{a, at})
		}
	}
	for _, p := range f.web.effective.Passes {
		add(p.Address, p.Place)
	}
	for _, u := range f.web.effective.Upstreams {
		for _, s := range u.Servers {
			if !s.Down {
				add(s.Address, s.Place)
			}
		}
	}
	return all
}

// passed returns a function that reports whether nginx sends requests to what listens on one of the addresses.
func (f *facts) passed() func(listen []fcgisup.Address) bool {
	paths, others := map[string]bool{}, []fcgisup.Address{}
	for _, b := range f.backends() {
		if b.address.Network == "unix" {
			paths[b.address.Addr] = true
		} else {
			others = append(others, b.address)
		}
	}
	return func(listen []fcgisup.Address) bool {
		return slices.ContainsFunc(listen, func(a fcgisup.Address) bool {
			return a.Network == "unix" && paths[a.Addr] || slices.ContainsFunc(others, func(to fcgisup.Address) bool { return peer.Serves(a, to) })
		})
	}
}
