package deploy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// wanted is an app as configured; without an app it must be gone, unless it is away.
type wanted struct {
	Name string
	App  *fcgisup.App
	// away says that the app runs on other hosts: nginx's files are all that is wanted here.
	away bool
	// down are hosts that nginx must not use, idle are their servers, which are to be waited for.
	down []string
	idle []fcgisup.Address
	// Changes are all of its files, those that stay included.
	Changes []Change
	marks   marks
	// Config is the file that its units read, empty for the system's; saved is when that was last written.
	Config string
	saved  time.Time
}

func (w wanted) instances() int {
	if w.App == nil {
		return 0
	}
	return w.App.Instances
}

// gone says that nothing of the app must stay here.
func (w wanted) gone() bool { return w.App == nil && !w.away }

// present is an app as it is.
type present struct {
	record  *record
	target  units.State
	enabled bool
	// sockets and services are those that systemd has loaded, by number.
	sockets, services map[int]units.State
	// started is when a running service's process began, reads the sum of the
	// configuration that its supervisor has read, where that is in doubt.
	started map[int]time.Time
	reads   map[int]string
}

// Plan is what has to happen to one app; nothing when all of it is empty.
type Plan struct {
	wanted
	record *record
	// from is how many sockets are open.
	from int
	// write are files to be written before all, erase unit files to be removed
	// after all: systemd has to know a unit to stop it well.
	write, erase []Change
	// enable and disable are about the target.
	enable, disable bool
	// daemonReload has systemd read the unit files.
	daemonReload bool
	// reopen are instances whose socket has to be closed and opened, restart
	// those whose service runs with old settings, reread those whose supervisor
	// runs with an old configuration, stop those that do not exist any more.
	reopen, restart, reread, stop []int
	start, stopUnits              []string
	// listening is where those of reopen, restart and stop listen, which the
	// configuration need not say any more.
	listening map[int][]fcgisup.Address
	// awake are the instances whose service runs.
	awake                   map[int]bool
	startTarget, stopTarget bool
	failed                  []string
	nginxReload             bool
}

// planApp is pure: what is configured for an app and what it is give what has to happen.
func planApp(w wanted, p present) Plan {
	n := w.instances()
	out := Plan{wanted: w, record: p.record, from: open(p.sockets)}
	out.awake = map[int]bool{}
	for i, s := range p.services {
		out.awake[i] = s.Up()
	}
	out.planFiles(p.record)
	out.enable = n > 0 && !p.enabled
	out.disable = n == 0 && p.enabled
	out.planStops(p, n)
	if n == 0 {
		out.stopTarget = !p.target.Gone() && p.target.Active != ""
		if w.away {
			out.nginxReload = w.marks.Nginx != "" && (p.record != nil && p.record.Marks.Nginx != w.marks.Nginx || slices.ContainsFunc(out.write, isNginx))
		}
		return out
	}
	out.planStarts(p, *w.App)
	reopen := out.differs("@.socket", "Socket") || p.record != nil && p.record.Marks.Socket != w.marks.Socket
	restart := out.differs("@.service", "Service") || p.record != nil && p.record.Marks.Service != w.marks.Service
	for i := 1; i <= n; i++ {
		switch {
		case reopen && p.sockets[i].Up():
			out.reopen = append(out.reopen, i)
		case !p.services[i].Up():
		case restart:
			out.restart = append(out.restart, i)
		case w.App.Systemd.Supervise && out.outdated(p, i):
			out.reread = append(out.reread, i)
		}
	}
	// Where there are several, nginx leaves some out while those are not to serve (see atRest).
	apart := n > 1 && (len(out.reopen) > 0 || len(out.restart) > 0 && !w.App.Systemd.Supervise)
	out.nginxReload = w.marks.Nginx != "" && (apart || p.record != nil && p.record.Marks.Nginx != w.marks.Nginx || slices.ContainsFunc(out.write, isNginx))
	return out
}

// planFiles divides the changes into those before and those after.
func (p *Plan) planFiles(r *record) {
	p.daemonReload = r != nil && r.Pending
	for _, c := range p.Changes {
		switch {
		case c.Verb == "unchanged":
		case c.Verb == "removed" && p.last(c):
			p.erase = append(p.erase, c)
		default:
			p.write = append(p.write, c)
			p.daemonReload = p.daemonReload || !isNginx(c)
		}
	}
	if p.gone() {
		p.nginxReload = slices.ContainsFunc(p.write, isNginx)
	}
}

// last tells a removal that has to wait for a stop. The drop-in of an instance
// that stays would go on to say where its socket listens.
func (p *Plan) last(c Change) bool {
	unit, dropIn := strings.CutSuffix(c.Name, ".d/listen.conf")
	_, n, _, _ := units.Parse(strings.TrimPrefix(unit, "systemd/"))
	return !isNginx(c) && (!dropIn || n > p.instances())
}

func isNginx(c Change) bool { return strings.HasPrefix(c.Name, "nginx/") }

func (p *Plan) planStops(is present, n int) {
	numbers := map[int]bool{}
	for _, states := range []map[int]units.State{is.sockets, is.services} {
		for i, s := range states {
			if i <= n {
				continue
			}
			if !s.Gone() {
				numbers[i] = true
				p.stopUnits = append(p.stopUnits, s.Name)
			}
			if s.Active == "failed" {
				p.failed = append(p.failed, s.Name)
			}
		}
	}
	for i := range numbers {
		p.stop = append(p.stop, i)
	}
	slices.Sort(p.stop)
	slices.Sort(p.stopUnits)
	slices.Sort(p.failed)
}

func (p *Plan) planStarts(is present, app fcgisup.App) {
	for i := 1; i <= app.Instances; i++ {
		if !is.sockets[i].Up() {
			p.start = append(p.start, units.Names(app.Name).Socket(i))
		}
	}
	// An eager instance that may sleep is not woken: its idle_timeout sent it there.
	if app.Activation == fcgisup.Eager && app.Limits.IdleTimeout == 0 {
		for i := 1; i <= app.Instances; i++ {
			if !is.services[i].Up() {
				p.start = append(p.start, units.Names(app.Name).Service(i))
			}
		}
	}
	p.startTarget = !is.target.Up()
}

// differs reports whether the section of a unit is about to change. Comments do not count.
func (p *Plan) differs(suffix, section string) bool {
	return slices.ContainsFunc(p.write, func(c Change) bool {
		mine := strings.HasSuffix(c.Name, suffix) || suffix == "@.socket" && strings.HasSuffix(c.Name, "/listen.conf")
		return mine && c.Verb != "created" && Directives(c.Old, section) != Directives(c.New, section)
	})
}

// outdated reports whether a supervisor may have read another configuration than
// the present one: that has changed since the last apply, or the file since
// both that and the supervisor's start, and the supervisor does not say that it
// has read the same.
func (p *Plan) outdated(is present, i int) bool {
	if is.record != nil && is.record.Marks.Config != p.marks.Config {
		return true
	}
	return is.mayHaveStaleConfig(p.saved, i) && is.reads[i] != p.marks.Config
}

// mayHaveStaleConfig reports whether a supervisor may have read a version of the file that was never applied.
func (is present) mayHaveStaleConfig(saved time.Time, i int) bool {
	began := is.started[i]
	return !began.IsZero() && saved.After(began) && (is.record == nil || began.After(is.record.At))
}

// empty reports whether everything is as configured.
func (p *Plan) empty() bool {
	return len(p.write)+len(p.erase)+len(p.reopen)+len(p.restart)+len(p.reread)+len(p.stop)+len(p.start)+len(p.idle) == 0 &&
		!p.enable && !p.disable && !p.daemonReload && !p.startTarget && !p.stopTarget && !p.nginxReload
}

// edited returns the files that apply did not leave as they are, with the reason.
func (p *Plan) edited() []string {
	var all []string
	for _, c := range slices.Concat(p.write, p.erase) {
		switch {
		case c.Verb == "created" || c.unedited || p.record.wroteThis(c.Place, c.Old):
		case !generatedFor(c.Old, p.Name):
			all = append(all, c.Place+" is not of fcgisup")
		case p.record == nil || p.record.Files[c.Place] == nil:
			all = append(all, c.Place+" was not written by fcgisup apply")
		default:
			all = append(all, c.Place+" was edited since fcgisup apply wrote it")
		}
	}
	return all
}

func open(sockets map[int]units.State) int {
	n := 0
	for _, s := range sockets {
		if s.Up() {
			n++
		}
	}
	return n
}

// sortUnits finds the app's among units.
func (is *present) sortUnits(app string, states []units.State) {
	is.sockets, is.services = map[int]units.State{}, map[int]units.State{}
	for _, s := range states {
		if s.Name == units.Names(app).Target() {
			is.target = s
			continue
		}
		owner, n, kind, ok := units.Parse(s.Name)
		if !ok || owner != app {
			continue
		}
		if kind == units.KindSocket {
			is.sockets[n] = s
		} else {
			is.services[n] = s
		}
	}
}

// byNumber names units in short: rt-fastcgi@{1..5}.socket.
func byNumber(app, kind string, numbers []int) string {
	parts := term.Ranges(numbers)
	text := strings.Join(parts, ",")
	if len(numbers) > 1 {
		text = "{" + text + "}"
	}
	if kind != "" {
		return units.Names(app).Numbered(text, kind)
	}
	return app + "@" + text
}

// inFileOrder sorts changes as gen prints them.
func inFileOrder(changes []Change) []Change {
	return slices.SortedStableFunc(slices.Values(changes), func(a, b Change) int { return cmp.Compare(a.Place, b.Place) })
}
