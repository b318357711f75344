package units

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fcgisup/fcgisup"
)

func (r renderer) socket() unit {
	return unit{r.socketUnit(), r.socketSection(), r.socketInstall()}
}

func (r renderer) socketUnit() section {
	u := section{name: "Unit"}
	u.set("Description", r.describe("FastCGI socket %i"))
	u.set("PartOf", r.name(".target"))
	return u
}

func (r renderer) socketSection() section {
	app := r.app
	s := section{name: "Socket"}
	if app.Listen.Network() == "unix" {
		// Only %i, the instance's number, can stand in the path.
		s.set("ListenStream", app.Listen.Path)
		if app.Socket.Group == "" {
			why := "Workers are not in the web server's group, so they cannot connect to the sockets of other users' apps."
			if app.User == app.Socket.User {
				why = "Other apps of this user can connect, too; a user of its own prevents that."
			}
			s.because("The web server connects as the owner, fcgisup for its probes by the workers' own group.", why)
		}
		s.set("SocketUser", app.Socket.User)
		s.set("SocketGroup", app.SocketGroup())
		s.set("SocketMode", fmt.Sprintf("%04o", app.Socket.Mode))
		s.because("Without this, systemd leaves the socket file behind.")
		s.set("RemoveOnStop", "yes")
	} else {
		s.because(fmt.Sprintf("ListenStream= is in %s: a template cannot add numbers.", r.name("@N.socket.d/listen.conf")))
		s.set("Accept", "no")
		if beyondHost(app.Listen.Host) {
			s.because("The socket can start before the address is up.")
			s.set("FreeBind", "yes")
		}
	}
	s.because("Number of requests that can wait while an instance starts. The kernel's limit is net.core.somaxconn.")
	s.set("Backlog", fmt.Sprint(app.Socket.Backlog))
	if app.Systemd.Supervise {
		s.because("fcgisup finds the socket by this name.")
	}
	s.set("FileDescriptorName", app.Name)
	s.because("Without a limit the socket never fails: requests wait until the service can start.")
	s.set("TriggerLimitIntervalSec", "0")
	s.override(app.Systemd.Socket, "systemd.socket")
	return s
}

func (r renderer) socketInstall() section {
	s := section{name: "Install"}
	s.set("WantedBy", r.name(".target")+" sockets.target")
	return s
}

func (r renderer) listenDropIn(i fcgisup.Instance) unit {
	s := section{name: "Socket"}
	// A port alone is every address, of IPv4 and IPv6.
	s.set("ListenStream", strings.TrimPrefix(i.Address.Addr, ":"))
	return unit{s}
}

// beyondHost tells an address that the network may bring after the sockets have been opened.
func beyondHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && !ip.IsLoopback() && !ip.IsUnspecified()
}
