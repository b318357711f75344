package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// findStartLimits: crashes that take the socket with them.
func findStartLimits(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if !s.service.Start.Set() || s.service.Load != "loaded" {
			continue
		}
		found = append(found, finding.Finding{
			Subject: s.Service,
			Message: fmt.Sprintf("If it starts more than %d times in %s, systemd fails it and its socket. Every request is refused until an administrator resets both.", s.service.Start.Burst, s.service.Start.Interval),
			Fix:     inDropIn(s.Service, "Unit", "", "StartLimitIntervalSec=0"),
		})
	}
	return found
}

// findTriggerLimits: the same, by the socket itself.
func findTriggerLimits(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if !s.Trigger.Set() || s.Accept {
			continue
		}
		found = append(found, finding.Finding{
			Subject: s.Name,
			Message: fmt.Sprintf("If it triggers its service more than %d times in %s, systemd fails it. Every request is refused until an administrator resets it.", s.Trigger.Burst, s.Trigger.Interval),
			Fix:     inDropIn(s.Name, "Socket", "", "TriggerLimitIntervalSec=0"),
		})
	}
	return found
}

// inDropIn is the command that adds directives to a unit, or to its template;
// then is what comes after.
func inDropIn(unit, section, then string, directives ...string) string {
	folder := term.ShellWord("/etc/systemd/system/" + templateOf(unit) + ".d")
	name, _, _ := strings.Cut(strings.ToLower(directives[0]), "=")
	return fmt.Sprintf(`mkdir -p %[1]s && printf '%%s\n' [%[2]s] %[3]s >%[1]s/%[4]s.conf && systemctl daemon-reload%[5]s`,
		folder, section, strings.Join(directives, " "), strings.TrimSuffix(name, "intervalsec"), then)
}

// findNonblocking: a flag that all holders of a listener share, and that ends those written with libfcgi.
func findNonblocking(f *facts) (found []finding.Finding) {
	unitAt := f.names()
	for _, l := range f.listeners {
		var names []string
		for _, h := range l.acceptors {
			if h.nonblocking {
				names = append(names, h.name)
			}
		}
		if names == nil {
			continue
		}
		slices.Sort(names)
		who := strings.Join(slices.Compact(names), ", ")
		one := finding.Finding{
			Subject: unitAt(l.address),
			Message: fmt.Sprintf("Its program (%s) has made the listening socket non-blocking. This is harmless for it, but a libfcgi program on the same socket exits at once.", who),
			Fix:     "none is needed while it is alone; do not start another program on this socket",
		}
		if len(l.acceptors) > 1 {
			one.Severity = finding.Warning
			one.Message = fmt.Sprintf("%d processes (%s) share the listening socket, and one has made it non-blocking for all. Those with libfcgi exit at their next accept.", len(l.acceptors), who)
			one.Fix = "use one worker per socket (instances: N, workers: 1), or a program that does not set O_NONBLOCK"
		}
		found = append(found, one)
	}
	return found
}

// names returns what names a listener by its unit, or else by its address.
func (f *facts) names() func(fcgisup.Address) string {
	paths, others := map[fcgisup.Address]string{}, []socketFacts{}
	for _, s := range f.sockets {
		for _, a := range s.Listen {
			switch {
			case s.Active != "active":
			case a.Network == "unix":
				paths[a] = s.Name
			default:
				others = append(others, s)
			}
		}
	}
	return func(at fcgisup.Address) string {
		if name := paths[at]; name != "" {
			return name
		}
		for _, s := range others {
			if slices.ContainsFunc(s.Listen, func(a fcgisup.Address) bool { return peer.Serves(a, at) }) {
				return s.Name
			}
		}
		return at.String()
	}
}

// findUnowned: backends that are gone with their process.
func findUnowned(f *facts) (found []finding.Finding) {
	for _, u := range f.unowned {
		one := finding.Finding{
			Subject: u.at.String(),
			Message: fmt.Sprintf("%s is opened by %s itself (process %d of %s). While that restarts, requests are refused instead of waiting.", u.address, u.name, u.pid, u.unit),
			Fix:     "use a socket unit, which keeps it open: fcgisup gen " + term.ShellWord(u.name) + " -- COMMAND renders one",
		}
		if u.unit == "" {
			one.Severity = finding.Warning
			one.Message = fmt.Sprintf("%s is opened by %s (process %d), which no service runs. It is not restarted after a crash or a reboot.", u.address, u.name, u.pid)
			one.Fix = "have systemd run it: fcgisup gen " + term.ShellWord(u.name) + " -- COMMAND renders the units"
		}
		found = append(found, one)
	}
	return found
}

// findStaleUnits: files that systemd has not read.
func findStaleUnits(f *facts) (found []finding.Finding) {
	add := func(u units.Unit) {
		if u.Stale {
			found = append(found, finding.Finding{Subject: u.Name, Message: "Its files have changed since systemd read them.", Fix: "systemctl daemon-reload"})
		}
	}
	for _, s := range f.sockets {
		add(s.Unit)
		add(s.service.Unit)
	}
	for _, a := range f.apps {
		add(f.named[units.Names(a.Name).Target()])
	}
	return found
}

// findNotEnabled: what is gone after the next boot.
func findNotEnabled(f *facts) (found []finding.Finding) {
	add := func(unit, fix string) {
		found = append(found, finding.Finding{Subject: unit, Message: "It runs but is not enabled: it does not start at boot.", Fix: fix})
	}
	for _, s := range f.sockets {
		// Those of gen are started by their target.
		if s.app != "" || s.Active != "active" || s.Wanted {
			continue
		}
		switch s.FileState {
		case "disabled":
			add(s.Name, "systemctl enable "+subjectMark)
		case "static":
			add(s.Name, "[Install] WantedBy=sockets.target in "+term.ShellWord(s.File)+", then systemctl enable "+subjectMark)
		}
	}
	for _, a := range f.apps {
		if u := f.named[units.Names(a.Name).Target()]; u.Load == "loaded" && u.Active == "active" && u.FileState == "disabled" {
			add(u.Name, "systemctl enable "+subjectMark)
		}
	}
	return found
}
