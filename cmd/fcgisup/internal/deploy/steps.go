package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// step is a part of carrying out the plans. Every step before the first final
// one can be undone.
type step struct {
	name  string
	lines []line
	final bool
	do    func(ctx context.Context) error
}

// line is what a step does, as people read it.
type line struct{ verb, object string }

// transaction carries out plans and knows how to go back.
type transaction struct {
	*Applier
	plans []Plan
	// looked are the plans of all its apps, also of those that stay as they are.
	looked []Plan
	undo   undo
	// old are nginx's workers from before the reload.
	old []nginx.Process
	// waiting shows the step that is taken.
	waiting *term.Progress
}

// steps are in the order in which no request is lost: what is new listens
// before nginx knows it, what goes is stopped when nginx has forgotten it.
func (t *transaction) steps() []step {
	all := []step{
		{name: "write files", lines: t.fileLines(func(p Plan) []Change { return p.write }), do: t.writeFiles},
		{name: "test nginx", do: t.testNginx},
		{name: "enable", lines: t.lines(func(p Plan) []line { return when(p.enable, line{"enabled", units.Names(p.Name).Target()}) }), do: t.enable},
		{name: "reload systemd", lines: when(t.any(func(p Plan) bool { return p.daemonReload || p.enable }), line{"reloaded", "systemd"}), do: t.daemonReload},
		{name: "start", lines: t.lines(startLines), do: t.start},
		{name: "restart sockets", lines: t.lines(func(p Plan) []line { return numbered(p, "restarted", "socket", p.reopen) }), do: t.reopen},
		{name: "restart services", lines: t.lines(func(p Plan) []line { return numbered(p, "restarted", "service", p.restart) }), do: t.restart},
		{name: "reload supervisors", lines: t.lines(func(p Plan) []line { return numbered(p, "reloaded", "", p.reread) }), do: t.reread},
		{name: "probe eager instances", lines: t.lines(func(p Plan) []line { return numbered(p, "probed", "", p.probed()) }), do: t.probe},
		{name: "reload nginx", lines: when(t.reloadsNginx(), line{"reloaded", "nginx"}), do: t.swapNginx},
		{name: "drain hosts", lines: t.lines(drainLines), do: t.drainHosts, final: true},
		{name: "stop", lines: t.lines(stopLines), do: t.stop, final: true},
		{name: "disable", lines: t.lines(func(p Plan) []line { return when(p.disable, line{"disabled", units.Names(p.Name).Target()}) }), do: t.disable, final: true},
		{name: "remove files", lines: t.fileLines(func(p Plan) []Change { return p.erase }), do: t.erase, final: true},
	}
	return slices.DeleteFunc(all, func(s step) bool {
		switch s.name {
		case "write files": // begins the record as well
			return false
		case "test nginx":
			return t.web.binary == "" || !t.any(func(p Plan) bool { return slices.ContainsFunc(p.write, isNginx) })
		}
		return len(s.lines) == 0
	})
}

func when(so bool, l line) []line {
	if so {
		return []line{l}
	}
	return nil
}

func (t *transaction) any(so func(Plan) bool) bool { return slices.ContainsFunc(t.plans, so) }

func (t *transaction) reloadsNginx() bool {
	return t.web.running() && t.any(func(p Plan) bool { return p.nginxReload })
}

func (t *transaction) lines(of func(Plan) []line) []line {
	var all []line
	for _, p := range t.plans {
		all = append(all, of(p)...)
	}
	return all
}

func (t *transaction) fileLines(of func(Plan) []Change) []line {
	return t.lines(func(p Plan) []line {
		var all []line
		for _, c := range of(p) {
			all = append(all, line{c.Verb, c.Place})
		}
		return all
	})
}

func startLines(p Plan) []line {
	all := scaleLine(p, p.from < p.instances())
	byKind := map[string][]int{}
	for _, unit := range p.start {
		_, n, kind, _ := units.Parse(unit)
		byKind[kind] = append(byKind[kind], n)
	}
	for _, kind := range []string{"socket", "service"} {
		all = append(all, numbered(p, "started", kind, byKind[kind])...)
	}
	return append(all, when(p.startTarget, line{"started", units.Names(p.Name).Target()})...)
}

func scaleLine(p Plan, so bool) []line {
	to := p.instances()
	return when(so && p.from > 0 && to > 0, line{"scaled", fmt.Sprintf("%s: %d -> %s", p.Name, p.from, term.Plural(to, "instance"))})
}

// numbered is what a step does to instances; kind is a unit's, empty for instances as such.
func numbered(p Plan, verb, kind string, numbers []int) []line {
	if len(numbers) == 0 {
		return nil
	}
	return []line{{verb, byNumber(p.Name, kind, numbers)}}
}

func stopLines(p Plan) []line {
	all := append(scaleLine(p, p.from > p.instances()), numbered(p, "stopped", "socket", p.stop)...)
	return append(all, when(p.stopTarget, line{"stopped", units.Names(p.Name).Target()})...)
}

// carryOut prints what there is to do or does it.
func (a *Applier) carryOut(ctx context.Context, plans []Plan) error {
	t := &transaction{Applier: a, looked: plans}
	for _, p := range plans {
		switch {
		case !p.empty():
			t.plans = append(t.plans, p)
		case p.record == nil && !p.gone() && !a.dryRun:
			// Made by hand, and right: ours from now on.
			if err := p.next(false).save(recordRoot, p.Name); err != nil {
				return err
			}
		case p.record != nil && p.gone() && !a.dryRun:
			// Taken away by hand.
			if err := (*record)(nil).save(recordRoot, p.Name); err != nil {
				return err
			}
		}
	}
	a.mention(plans)
	if len(t.plans) == 0 && a.monitor.verb == "" {
		fmt.Fprintln(a.Out, "nothing to do: configuration, files and units agree")
		return nil
	}
	if a.dryRun {
		return cmp.Or(t.show(), t.approve(ctx))
	}
	if err := cmp.Or(t.permitted(), t.collisions()); err != nil {
		return err
	}
	if err := t.approve(ctx); err != nil {
		return err
	}
	return t.run(ctx)
}

// mention says what is left out.
func (a *Applier) mention(plans []Plan) {
	for _, p := range plans {
		if p.away {
			fmt.Fprintf(a.Err, "fcgisup: %s runs on other hosts: no units here\n", p.Name)
		}
	}
	switch {
	case a.web.binary == "":
		fmt.Fprintln(a.Err, "fcgisup: nginx is not installed here: units only")
	case !a.web.running():
		fmt.Fprintln(a.Err, "fcgisup: nginx does not run: its files are written and tested, not loaded")
	}
}

// permitted refuses to touch what was edited by hand.
func (t *transaction) permitted() error {
	var edited []string
	for _, p := range t.plans {
		edited = append(edited, p.edited()...)
	}
	if len(edited) == 0 || t.force {
		return nil
	}
	return term.Hinted(fmt.Errorf("cannot %s: %s", t.What, strings.Join(edited, "; ")),
		"--dry-run shows the difference, --force overwrites; what is yours belongs into a drop-in or the configuration")
}

// collisions refuses an app on an address that another one gives up only at
// the end: a renamed app, mostly.
func (t *transaction) collisions() error {
	held := map[fcgisup.Address]string{}
	for _, p := range t.plans {
		for _, n := range p.stop {
			for _, a := range p.listening[n] {
				held[a] = p.Name
			}
		}
	}
	for _, p := range t.plans {
		for n := 1; n <= p.instances(); n++ {
			a := p.App.Instance(n).Address
			if name := held[a]; name != "" && name != p.Name {
				return term.Hinted(fmt.Errorf("cannot %s: %s should listen on %s, where %s listens until it is stopped", t.What, p.App.Instance(n), a, name),
					"fcgisup remove "+name+" first, or let it listen elsewhere")
			}
		}
	}
	return nil
}

// run takes the steps, and goes back if one fails that can be undone.
func (t *transaction) run(ctx context.Context) error {
	settled := false
	for _, s := range t.steps() {
		if s.final && !settled {
			if err := t.record(true); err != nil {
				return fmt.Errorf("cannot %s: %w", t.What, err)
			}
			settled = true
		}
		t.waiting = t.Progress("%s: %s", t.What, s.name)
		err := s.do(ctx)
		t.waiting.Done()
		if ctx.Err() != nil && (err != nil || !s.final) {
			err = errors.New("interrupted")
		}
		if err == nil {
			t.print(s.lines)
			continue
		}
		err = fmt.Errorf("cannot %s: step %q: %w", t.What, s.name, err)
		if s.final {
			return term.Hinted(err, "what came before is in force; once that is fixed, the same command goes on from there")
		}
		return t.goBack(ctx, err)
	}
	if err := t.record(false); err != nil {
		return fmt.Errorf("cannot %s: %w", t.What, err)
	}
	return nil
}

func (a *Applier) print(lines []line) {
	for _, l := range lines {
		fmt.Fprintf(a.Out, "%-9s  %s\n", l.verb, l.object)
	}
}

// show prints the plan and then, for what is to be written, the difference.
func (t *transaction) show() error {
	for _, s := range t.steps() {
		t.print(s.lines)
	}
	t.print(t.monitor.lines())
	for _, p := range t.plans {
		for _, c := range slices.Concat(p.write, p.erase) {
			if _, err := fmt.Fprint(t.Out, "\n", c.diff()); err != nil {
				return fmt.Errorf("cannot print the difference: %w", err)
			}
		}
	}
	if err := t.permitted(); err != nil {
		fmt.Fprintf(t.Err, "fcgisup: without --force it %v\n", err)
	}
	return nil
}

// record writes down how things are. While pending, what is begun may not be finished.
func (t *transaction) record(pending bool) error {
	for _, p := range t.plans {
		r := p.next(pending)
		if p.gone() && !pending {
			r = nil
		}
		if err := r.save(recordRoot, p.Name); err != nil {
			return err
		}
	}
	return nil
}

// next is the record for when the plan has been carried out.
func (p *Plan) next(pending bool) *record {
	r := &record{App: p.Name, Config: p.Config, At: time.Now(), Pending: pending, Files: map[string][]string{}, Marks: p.marks}
	if p.record != nil {
		// Those that this apply has not looked at, such as nginx's where there is none now.
		for place, sums := range p.record.Files {
			r.Files[place] = sums
		}
	}
	for _, c := range p.Changes {
		if r.Files[c.Place] = []string{sum(c.New)}; c.Verb == "removed" {
			delete(r.Files, c.Place)
		}
	}
	if pending {
		for _, c := range p.erase {
			r.Files[c.Place] = []string{sum(c.Old)}
		}
	}
	return r
}

// pendingRecord is the record for while the plan is carried out: both versions of each
// file are known, and what is yet to be started again is marked as it was.
func (p *Plan) pendingRecord() *record {
	r := p.next(true)
	var before marks
	if p.record != nil {
		before = p.record.Marks
		r.At = p.record.At
	} else {
		r.At = time.Time{}
	}
	for _, c := range p.Changes {
		if c.Old != nil && (p.record.wroteThis(c.Place, c.Old) || c.unedited || c.Verb == "unchanged") {
			r.Files[c.Place] = append(r.Files[c.Place], sum(c.Old))
		}
	}
	if len(p.reopen) > 0 {
		r.Marks.Socket, r.Marks.Service = before.Socket, before.Service
	}
	if len(p.restart) > 0 {
		r.Marks.Service = before.Service
	}
	if len(p.reread)+len(p.reopen)+len(p.restart) > 0 {
		r.Marks.Config = before.Config
	}
	if p.nginxReload {
		r.Marks.Nginx = before.Nginx
	}
	return r
}
