package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/nginx"
)

type (
	pass     = nginx.Pass
	upstream = nginx.Upstream
)

// findBrokenNginx: a configuration that nginx will not start with.
func findBrokenNginx(f *facts) []finding.Finding {
	if f.web.refused == "" {
		return nil
	}
	return []finding.Finding{{Subject: "nginx", Message: "It cannot start or reload: " + f.web.refused + ".", Fix: "fix the error and run nginx -t again"}}
}

// findNotReloaded: files that nginx has not read yet, and will with the next reload.
func findNotReloaded(f *facts) []finding.Finding {
	if len(f.web.newer) == 0 {
		return nil
	}
	names := f.web.newer
	if len(names) > 3 {
		names = append(slices.Clone(names[:3]), "…")
	}
	return []finding.Finding{{
		Subject: "nginx", Message: "It runs with an older configuration than its files: " + strings.Join(names, ", ") + " changed after its workers started.",
		Fix: "nginx -t && systemctl reload nginx",
	}}
}

func addressesOf(a fcgisup.App) []fcgisup.Address {
	var all []fcgisup.Address
	for _, i := range a.Expand() {
		all = append(all, i.Address)
	}
	return all
}

// findVariable: places that only a request says.
func findVariable(f *facts) (found []finding.Finding) {
	for _, p := range f.web.effective.Passes {
		if p.Variable {
			found = append(found, finding.Finding{Subject: p.String(), Message: "Its target, " + p.Target + ", depends on the request, so it was not examined.", Fix: ""})
		}
	}
	return found
}

// findUnserved: nginx passes to an address without a listener. A unit that should is
// found elsewhere: it has failed, or is stopped.
func findUnserved(f *facts) (found []finding.Finding) {
	if len(f.listeners) == 0 {
		return nil
	}
	listening, units := f.index()
	owner := f.owner()
	for _, b := range f.backends() {
		if listening(b.address) || units(b.address) {
			continue
		}
		one := finding.Finding{
			Subject: b.at.String(), Message: fmt.Sprintf("Nginx passes requests to %s, where no process listens.", b.address),
			Fix: "start the program that should listen there, or remove it from nginx and run systemctl reload nginx",
		}
		if app := owner[b.address]; app != "" {
			one.Fix = "fcgisup apply " + app
		}
		found = append(found, one)
	}
	return found
}

// owner maps addresses to the apps that listen there, as far as both are written alike.
func (f *facts) owner() map[fcgisup.Address]string {
	all := map[fcgisup.Address]string{}
	for _, a := range f.apps {
		for _, address := range addressesOf(a.App) {
			all[address] = a.Name
		}
	}
	return all
}

// index answers for many addresses who listens there, and which have a unit that should.
func (f *facts) index() (listening, units func(fcgisup.Address) bool) {
	var kernel, unit []fcgisup.Address
	for _, l := range f.listeners {
		kernel = append(kernel, l.address)
	}
	for _, s := range f.sockets {
		unit = append(unit, s.Listen...)
	}
	return served(kernel), served(unit)
}

func served(by []fcgisup.Address) func(fcgisup.Address) bool {
	paths, others := map[string]bool{}, []fcgisup.Address{}
	for _, a := range by {
		if a.Network == "unix" {
			paths[a.Addr] = true
		} else {
			others = append(others, a)
		}
	}
	return func(to fcgisup.Address) bool {
		return to.Network == "unix" && paths[to.Addr] || slices.ContainsFunc(others, func(a fcgisup.Address) bool { return peer.Serves(a, to) })
	}
}

// findBlind: the web server does not see a socket that is there.
func findBlind(f *facts) (found []finding.Finding) {
	for _, b := range f.backends() {
		x := f.web.access[b.address]
		if x.Hidden && !(f.web.privateTmp && inTmp(b.address)) {
			found = append(found, finding.Finding{
				Subject: b.at.String(),
				Message: fmt.Sprintf("Nginx does not see %s: its service has other mounts there (TemporaryFileSystem=, a bind mount, a container).", b.address),
				Fix:     "move the socket to /run, or show nginx its directory: BindPaths=" + filepath.Dir(b.address.Addr) + " in [Service] of " + deploy.NginxService,
			})
		}
	}
	return found
}

// findDenied: the web server may not connect.
func findDenied(f *facts) (found []finding.Finding) {
	for _, b := range f.backends() {
		x := f.web.access[b.address]
		if x.Denied == "" {
			continue
		}
		one := finding.Finding{Subject: b.at.String(), Message: "", Fix: "chmod o+x " + term.ShellWord(x.Denied) + ", or move the socket to /run"}
		one.Message = fmt.Sprintf("%s, the user of nginx, may not connect to %s: it cannot search %s (%s).", f.web.user, b.address, x.Denied, x.Mode)
		if x.Denied == b.address.Addr {
			one.Message = fmt.Sprintf("%s, the user of nginx, may not connect to %s (%s).", f.web.user, b.address, x.Mode)
			one.Fix = f.grantAccess(b.address)
		}
		found = append(found, one)
	}
	return found
}

// findWebUser: the web server could not connect to an app's sockets as they are
// configured, also before there are any.
func findWebUser(f *facts) (found []finding.Finding) {
	if f.web.who == nil {
		return nil
	}
	passed := f.passed()
	for _, a := range f.apps {
		addresses := addressesOf(a.App)
		refused := slices.ContainsFunc(addresses, func(at fcgisup.Address) bool { return f.web.access[at].Denied != "" })
		if a.socket == nil || a.socket.Admits(*f.web.who) || refused {
			continue // findDenied says it of sockets that are there
		}
		one := finding.Finding{
			Subject: "app " + a.Name,
			Message: fmt.Sprintf("%s, the user of nginx, may not connect to its sockets (%s): every request is answered 502.", f.web.user, a.socket),
			Fix:     fmt.Sprintf("apps.%s.socket: {user: %s}", a.Name, f.web.user),
		}
		// Another owner than the default may be another web server.
		if own := a.Socket.User != fcgisup.Default(a.Name).Socket.User; len(f.web.workers) == 0 || own && !passed(addresses) {
			one.Severity = finding.Warning
		}
		found = append(found, one)
	}
	return found
}

// findNotIncluded: nginx does not read the file with an app's upstream.
func findNotIncluded(f *facts) (found []finding.Finding) {
	if len(f.web.effective.Files) == 0 {
		return nil
	}
	for _, a := range f.apps {
		at := slices.IndexFunc(a.changes, func(c deploy.Change) bool { return c.Name == "nginx/"+a.Name+"-upstream.conf" })
		if at < 0 || f.web.effective.Reads(a.changes[at].Place) {
			continue
		}
		place := a.changes[at].Place
		one := finding.Finding{
			Subject: "app " + a.Name,
			Message: fmt.Sprintf("The http block of %s does not include %s, which has its upstream: nginx does not know %s.", f.web.effective.Files[0], place, a.Nginx.Upstream),
			Fix:     fmt.Sprintf("include %s/*.conf; in the http block of %s", filepath.Dir(place), f.web.effective.Files[0]),
		}
		if slices.ContainsFunc(f.web.effective.Passes, func(p pass) bool { return p.Target == a.Nginx.Upstream && p.Upstream == "" }) {
			one.Severity = finding.Error
		}
		found = append(found, one)
	}
	return found
}

// findHalfServed: a name with several addresses of this host, one of which has no listener.
func findHalfServed(f *facts) (found []finding.Finding) {
	listening, _ := f.index()
	global := slices.ContainsFunc(f.own, func(a netip.Addr) bool { return a.Is6() && !a.IsLoopback() })
	for _, b := range f.backends() {
		host, port, err := net.SplitHostPort(b.address.Addr)
		if err != nil || len(f.web.hosts[host]) < 2 {
			continue
		}
		var served, unserved []string
		for _, ip := range f.web.hosts[host] {
			at := net.JoinHostPort(ip.String(), port)
			if listening(fcgisup.Address{Network: "tcp", Addr: at}) {
				served = append(served, at)
			} else {
				unserved = append(unserved, at)
			}
		}
		if len(served) == 0 || len(unserved) == 0 {
			continue
		}
		one := finding.Finding{
			Subject: b.at.String(),
			Message: fmt.Sprintf("%s is also %s, where no process listens. Nginx alternates between the addresses of a name, and its connections there are refused.", b.address, strings.Join(unserved, " and ")),
			Fix:     served[0] + " instead of " + b.address.Addr,
		}
		if !global && strings.HasPrefix(unserved[0], "[") {
			one.Severity = finding.Note // nginx does not use IPv6 on such a host
		}
		found = append(found, one)
	}
	return found
}

// webUser is whom the web server connects as, or Debian's name for it.
func (f *facts) webUser() string {
	if f.web == nil || f.web.user == "" {
		return fcgisup.Default("").Socket.User
	}
	return f.web.user
}

// grantAccess is how a socket is opened to the web server: where it is made.
func (f *facts) grantAccess(a fcgisup.Address) string {
	for _, s := range f.sockets {
		switch {
		case !slices.Contains(s.Listen, a):
		case s.app != "":
			return fmt.Sprintf("apps.%s.socket: {user: %s, mode: \"0660\"} in the configuration, then fcgisup apply %[1]s", s.app, f.web.user)
		default:
			return inDropIn(s.Name, "Socket", " && systemctl restart "+s.Name, "SocketUser="+f.web.user, "SocketMode=0660")
		}
	}
	return "have the program that listens there give it to " + f.web.user
}
