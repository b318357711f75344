package doctor

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// whyFailed is what a socket unit's Result means, systemd.socket(5).
func whyFailed(result string) string {
	switch result {
	case "service-start-limit-hit":
		return "its service was started too often in a short time, and systemd gave up on both"
	case "trigger-limit-hit":
		return "it triggered its service too often in a short time: the program exits without accepting"
	case "resources":
		return "it could not be opened: its address is in use, or its directory or owner does not exist"
	case "exit-code", "signal", "core-dump":
		return "a command of the unit has failed"
	case "timeout":
		return "a command of the unit took too long"
	}
	return "the journal has the cause"
}

// findFailedSockets: they refuse every request until an administrator resets them.
func findFailedSockets(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if s.Active != "failed" {
			continue
		}
		fix := "journalctl -u " + subjectMark + " -n 20; then systemctl reset-failed " + subjectMark + " && systemctl start " + subjectMark
		if strings.HasSuffix(s.Result, "-limit-hit") {
			fix = "fix the program (journalctl -u '" + glob(s.Service) + "'), then systemctl reset-failed '" + glob(s.Service) + "' " + subjectMark + " && systemctl start " + subjectMark
		}
		found = append(found, finding.Finding{Subject: s.Name, Message: fmt.Sprintf("It has failed (%s) and refuses every request: %s.", s.Result, whyFailed(s.Result)), Fix: fix})
	}
	return found
}

// glob names all instances of a unit's template.
func glob(unit string) string {
	if m := numbered().FindStringSubmatch(unit); m != nil {
		return m[1] + "*" + m[3]
	}
	return unit
}

// templateOf is where a drop-in for all instances belongs.
func templateOf(unit string) string {
	if m := numbered().FindStringSubmatch(unit); m != nil {
		return m[1] + m[3]
	}
	return unit
}

// findIdleSockets: nginx passes to them and they do not listen.
func findIdleSockets(f *facts) (found []finding.Finding) {
	passed := f.passed()
	listening, _ := f.index()
	for _, s := range f.sockets {
		if s.Active == "inactive" && passed(s.Listen) && !slices.ContainsFunc(s.Listen, listening) {
			found = append(found, finding.Finding{Subject: s.Name, Message: "Nginx passes requests to it, but it is stopped.", Fix: "systemctl start " + subjectMark})
		}
	}
	return found
}

// findNoService: sockets with nothing behind them, which fail with the first request.
func findNoService(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if s.Service != "" && s.service.Load == "not-found" {
			found = append(found, finding.Finding{
				Subject: s.Name, Message: "It starts " + templateOf(s.Service) + ", which does not exist: it fails on the first request.",
				Fix: "create that unit, or name another one with Service= in [Socket]; then systemctl daemon-reload && systemctl start " + subjectMark,
			})
		}
	}
	return found
}

// findNoProgram: services that cannot start.
func findNoProgram(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if s.program != nil {
			one := *s.program
			one.Severity, one.Subject = finding.Error, s.Service
			found = append(found, one)
		}
		for _, m := range s.missing {
			missing := noSuch[m.key]
			value := m.value
			if missing.parent {
				value = filepath.Dir(value)
			}
			one := finding.Finding{
				ID: missing.id, Severity: finding.Error, Subject: s.Service, Message: fmt.Sprintf("Its %s=%s does not exist on this host: it fails on the first request.", m.key, m.value),
				Fix: missing.command + term.ShellWord(value),
			}
			if missing.parent {
				one.Message = fmt.Sprintf("The directory of its %s=%s does not exist on this host: it fails on the first request.", m.key, m.value)
			}
			if missing.id == "" { // a mount
				one.ID, one.Fix = "path-missing", "create "+term.ShellWord(value)+", or write -"+value+" in "+m.key+"="
			}
			found = append(found, one)
		}
	}
	return found
}

// noSuch is what a missing value of a unit is called and made with.
var noSuch = map[string]struct {
	id, command string
	// parent reports that only the directory must exist.
	parent bool
}{
	"User":                    {"user-missing", "adduser --system --group ", false},
	"Group":                   {"group-missing", "addgroup --system ", false},
	"EnvironmentFile":         {"environment-file-missing", "a leading - (EnvironmentFile=-PATH) permits that it is missing; otherwise create ", false},
	"WorkingDirectory":        {"directory-missing", "mkdir -p ", false},
	"RootDirectory":           {"directory-missing", "fix RootDirectory=, or create ", false},
	"RootImage":               {"path-missing", "fix RootImage=, or create ", false},
	"StandardInput":           {"path-missing", "fix StandardInput=, or create ", false},
	"StandardOutput":          {"directory-missing", "mkdir -p ", true},
	"StandardError":           {"directory-missing", "mkdir -p ", true},
	"LoadCredential":          {"path-missing", "fix LoadCredential=, or create ", false},
	"LoadCredentialEncrypted": {"path-missing", "fix LoadCredentialEncrypted=, or create ", false},
}

// findLostSockets: systemd listens, but no client can connect.
func findLostSockets(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if s.lost {
			found = append(found, finding.Finding{
				Subject: s.Name,
				Message: "It listens, but its socket file was removed or its directory is hidden by a mount: every connect fails.", Fix: "systemctl restart " + subjectMark,
			})
		}
	}
	return found
}

// findVanishingSockets: sockets that go with a service although their unit stays.
func findVanishingSockets(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		for _, folder := range s.service.RuntimeDirectories {
			for _, a := range s.Listen {
				if a.Network != "unix" || !strings.HasPrefix(a.Addr, folder+"/") {
					continue
				}
				found = append(found, finding.Finding{
					Subject: s.Name,
					Message: fmt.Sprintf("Its path is in the RuntimeDirectory= of its service. When the service stops, systemd removes %s while the socket unit stays active.", filepath.Dir(a.Addr)),
					Fix:     inDropIn(s.Service, "Service", "", "RuntimeDirectoryPreserve=yes") + "; better: ListenStream=/run/NAME.sock",
				})
			}
		}
	}
	return found
}

// findNginxTmp: a socket in /tmp, of which nginx has its own.
func findNginxTmp(f *facts) (found []finding.Finding) {
	if !f.web.privateTmp {
		return nil
	}
	for _, b := range f.backends() {
		if inTmp(b.address) {
			found = append(found, finding.Finding{
				Subject: b.at.String(),
				Message: fmt.Sprintf("Nginx has a private /tmp (PrivateTmp= in %s) without %s.", deploy.NginxService, b.address),
				Fix:     "move the socket to /run; or " + inDropIn(deploy.NginxService, "Service", " && systemctl restart nginx", "PrivateTmp=no"),
			})
		}
	}
	return found
}

// findPrivateTmp: a socket in a /tmp that its service does not share.
func findPrivateTmp(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		for _, a := range s.Listen {
			if !s.service.PrivateTmp || !inTmp(a) || s.app == "" && s.service.OnStdin {
				continue
			}
			one := finding.Finding{
				Subject: s.Service,
				Message: fmt.Sprintf("It has a private /tmp (PrivateTmp=) without %s: every use of that path fails.", a),
				Fix:     "move the socket to /run; or " + inDropIn(s.Service, "Service", "", "PrivateTmp=no"),
			}
			if s.app != "" {
				one.Severity = finding.Error // its probe connects by the path
			}
			found = append(found, one)
		}
	}
	return found
}

func inTmp(a fcgisup.Address) bool {
	return a.Network == "unix" && (strings.HasPrefix(a.Addr, "/tmp/") || strings.HasPrefix(a.Addr, "/var/tmp/"))
}

// findOpenSockets: a client of a FastCGI program chooses the script and the remote user.
func findOpenSockets(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if s.open {
			found = append(found, finding.Finding{
				Subject: s.Name,
				Message: fmt.Sprintf("Every user of this host can connect (SocketMode=%04o). A FastCGI client chooses the script and the remote user.", s.Mode),
				Fix:     inDropIn(s.Name, "Socket", " && systemctl restart "+subjectMark, "SocketMode=0660", "SocketUser="+f.webUser()),
			})
		}
	}
	return found
}

// findNetworkSockets: sockets that other hosts reach.
func findNetworkSockets(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		for _, a := range s.Listen {
			if ip, _, known := peer.HostPort(a); a.Network == "tcp" && known && !ip.IsLoopback() {
				found = append(found, finding.Finding{
					Subject: s.Name,
					Message: "It listens on " + a.String() + ", reachable from beyond this host. A FastCGI client chooses the script and the remote user.",
					Fix:     "listen on 127.0.0.1 or a unix socket, or have a firewall admit only the web server",
				})
			}
		}
	}
	return found
}

// findNeighbours: an app whose workers can connect to another app's sockets through a
// group that only this host knows of. What the configuration itself shows is among its
// warnings.
func findNeighbours(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		if a.socket == nil {
			continue
		}
		for _, other := range f.apps {
			w := other.workers
			if w == nil || other.User == a.User || w.UID == 0 || w.UID == a.socket.UID || w.GID == a.socket.GID || a.socket.Mode&0o002 != 0 || !a.socket.Admits(*w) {
				continue
			}
			found = append(found, finding.Finding{
				Subject: "app " + a.Name,
				Message: fmt.Sprintf("Workers of %s run as %s, which is a member of the group %s of its sockets, so they can send it any request.", other.Name, other.User, cmp.Or(a.socket.Group, strconv.Itoa(a.socket.GID))),
				Fix:     fmt.Sprintf("gpasswd -d %s %s, or set apps.%s.socket.group to a group without users of other apps", other.User, cmp.Or(a.socket.Group, strconv.Itoa(a.socket.GID)), a.Name),
			})
			break
		}
	}
	return found
}

// findBacklogs: a backlog above the limit of the kernel.
func findBacklogs(f *facts) (found []finding.Finding) {
	add := func(subject string, backlog int) {
		found = append(found, finding.Finding{
			Subject: subject,
			Message: fmt.Sprintf("Its backlog is %d, but the kernel queues at most %d requests (net.core.somaxconn); nginx gets errors above that.", backlog, f.somaxconn),
			Fix:     fmt.Sprintf("echo net.core.somaxconn=%d >/etc/sysctl.d/50-fastcgi.conf && sysctl --system, then restart the sockets", backlog),
		})
	}
	known := map[string]bool{}
	for _, s := range f.sockets {
		known[s.app] = true
		// The largest number is systemd's way to say "as many as the kernel lets".
		if s.Backlog > uint32(f.somaxconn) && s.Backlog < math.MaxInt32 {
			add(s.Name, int(s.Backlog))
		}
	}
	for _, a := range f.apps {
		if !known[a.Name] && a.Socket.Backlog > f.somaxconn {
			add("app "+a.Name, a.Socket.Backlog)
		}
	}
	return found
}
