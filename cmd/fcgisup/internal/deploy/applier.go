package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/accepted"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// Applier is one "fcgisup apply" or "fcgisup remove".
type Applier struct {
	*term.Env
	// What it does, for errors.
	What           string
	dryRun, force  bool
	RestartSockets bool
	// drain bounds the wait for requests to removed instances.
	drain  time.Duration
	Hosts  HostFlags
	Binary string
	// cfg is the configuration; remove has none.
	cfg *fcgisup.Config

	// Preflight looks for what will keep apps from working, before anything is changed.
	Preflight func(context.Context, Looked) ([]finding.Finding, error)

	systemd *units.Systemd
	web     webServer
	monitor monitorWork
}

// Apply brings this host to what the configuration says of these apps, or all.
func (a *Applier) Apply(ctx context.Context, names []string) error {
	return a.run(ctx, func(ctx context.Context) ([]Plan, error) { return a.plans(ctx, names) })
}

// Define adds the flags that apply and remove share.
func (a *Applier) Define(f *pflag.FlagSet) {
	f.BoolVar(&a.dryRun, "dry-run", false, "plan and differences on standard output, without changes")
	f.BoolVar(&a.force, "force", false, "overwriting and removal of edited files; no stop at errors that doctor reports")
	f.DurationVar(&a.drain, "drain", time.Minute, "`DURATION` of the wait for requests on removed instances; 0 does not wait")
}

// run makes a plan and carries it out, one at a time on this host.
func (a *Applier) run(ctx context.Context, plan func(context.Context) ([]Plan, error)) error {
	if a.drain < 0 {
		return term.Usage(fmt.Errorf("--drain %s is not a duration", a.drain))
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := a.begin(ctx); err != nil {
		return fmt.Errorf("cannot %s: %w", a.What, err)
	}
	defer a.systemd.Close()
	if !a.dryRun {
		unlock, err := lockApply(applyLock, a.Getenv)
		if err != nil {
			return fmt.Errorf("cannot %s: %w", a.What, err)
		}
		defer unlock()
	}
	left, err := a.carryOutAll(ctx, plan)
	if err != nil || a.dryRun {
		return err
	}
	if left == 0 {
		accepted.Keep(a.Env, a.cfg)
	}
	if err := a.tellMonitor(ctx); err != nil || left == 0 {
		return err
	}
	return term.Exit(term.ExitFail)
}

// carryOutAll carries out the plans of all apps. Those of an app whose supervisors
// cannot be asked or refuse are undone, reported and left out, and the others
// carried out without it; left is how many.
func (a *Applier) carryOutAll(ctx context.Context, makePlans func(context.Context) ([]Plan, error)) (left int, err error) {
	refused := map[string]bool{}
	for {
		plans, err := makePlans(ctx)
		if err != nil {
			return len(refused), err
		}
		plans = slices.DeleteFunc(plans, func(p Plan) bool { return refused[p.Name] })
		err = a.carryOut(ctx, plans)
		var of *supervisorError
		if !errors.As(err, &of) || errors.Is(err, errHalfUndone) || ctx.Err() != nil || !othersHaveWork(plans, of.app) {
			return len(refused), err
		}
		a.Report(err)
		fmt.Fprintf(a.Err, "fcgisup: going on without %s\n", of.app)
		refused[of.app] = true
	}
}

// othersHaveWork returns true if there is something to do for another app.
func othersHaveWork(plans []Plan, app string) bool {
	return slices.ContainsFunc(plans, func(p Plan) bool { return p.Name != app && !p.empty() })
}

// begin reaches what apply talks to.
func (a *Applier) begin(ctx context.Context) error {
	if os.Geteuid() != 0 && !a.dryRun {
		return term.Hinted(errors.New("only root may write units and start them"), "sudo fcgisup "+term.ShellWords(a.Args)+"; --dry-run shows the plan to everybody")
	}
	var err error
	if a.systemd, err = units.Connect(ctx); errors.Is(err, units.ErrNoSystemd) {
		return term.Hinted(err, "fcgisup run supervises without it, as in a container")
	}
	if err != nil {
		return err
	}
	if a.web, err = a.findNginx(ctx); err != nil {
		a.systemd.Close()
	}
	return err
}

// plans compares the configuration with the host.
func (a *Applier) plans(ctx context.Context, names []string) ([]Plan, error) {
	cfg, err := a.Load()
	if err != nil {
		return nil, err
	}
	src, err := a.source(cfg, names)
	if err != nil {
		return nil, err
	}
	if err := a.planMonitor(ctx, cfg, src); err != nil {
		return nil, fmt.Errorf("cannot apply: %w", err)
	}
	a.cfg = cfg
	wishes, err := a.wishes(cfg, src)
	if err != nil {
		return nil, err
	}
	records, err := readRecords(recordRoot)
	if err != nil {
		return nil, fmt.Errorf("cannot apply: %w", err)
	}
	if len(names) == 0 {
		gone, err := a.dropped(cfg, src, records)
		if err != nil {
			return nil, err
		}
		wishes = append(wishes, gone...)
	}
	return a.planAll(ctx, wishes, records)
}

// source is gen's, but for a draft: what is applied is what the units read.
func (a *Applier) source(cfg *fcgisup.Config, names []string) (*Source, error) {
	g := a.generation()
	src := &Source{}
	var err error
	if src.Config, err = g.UnitConfig(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve the path %s: %w", cfg.Path, err)
	}
	if src.Config == "" && path != fcgisup.SystemConfig {
		return nil, term.Hinted(fmt.Errorf("cannot apply %s: the units would read %s", cfg.Path, fcgisup.SystemConfig),
			"copy it there, or let the units read this one: --config "+cfg.Path)
	}
	if err := g.Choose(src, cfg, names, false); err != nil {
		return nil, err
	}
	if src.exposed != nil {
		return nil, src.exposed
	}
	if len(a.Hosts.Down) > 0 && a.web.binary == "" {
		return nil, term.Hinted(errors.New("cannot apply --down: nginx is not installed here"), "run it on the host whose nginx sends the requests")
	}
	supervised := func(app fcgisup.App) bool { return app.Systemd.Supervise }
	if _, err := os.Stat(a.Binary); errors.Is(err, fs.ErrNotExist) && slices.ContainsFunc(src.Apps, supervised) {
		return nil, term.Hinted(fmt.Errorf("cannot apply: the units would run %s, and there is none", a.Binary), "install it there, or name it with --binary")
	}
	return src, nil
}

func (a *Applier) generation() *Generation {
	return &Generation{Env: a.Env, Units: true, Nginx: a.web.binary != "", Binary: a.Binary, Hosts: a.Hosts}
}

// wishes are the chosen apps with what gen would write for them.
func (a *Applier) wishes(cfg *fcgisup.Config, src *Source) ([]wanted, error) {
	info, err := os.Stat(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot apply: %w", err)
	}
	all := make([]wanted, 0, len(src.Apps))
	here := term.ThisHost()
	if a.Hosts.Host != "" {
		here = []string{a.Hosts.Host}
	}
	for _, app := range src.Apps {
		g, only := a.generation(), *src
		only.Apps = []fcgisup.App{app}
		w := wanted{Name: app.Name, App: &app, away: !app.RunsOn(here), Config: src.Config, saved: info.ModTime()}
		g.Hosts.Host, g.Units = "", !w.away
		files, err := g.Render(&only)
		if err != nil {
			return nil, term.Usage(err)
		}
		changes, err := g.Compare(&only, files)
		if err != nil {
			return nil, fmt.Errorf("cannot apply: %w", err)
		}
		if w.away {
			units, err := removals(app.Name)
			if err != nil {
				return nil, fmt.Errorf("cannot apply: %w", err)
			}
			changes = append(changes, slices.DeleteFunc(units, isNginx)...)
			w.App = nil
		}
		recognize(app, changes)
		if w.marks, err = marksOf(app, files); err != nil {
			return nil, err
		}
		w.Changes = inFileOrder(changes)
		w.idle, w.down = a.Hosts.drained(app)
		all = append(all, w)
	}
	return all, nil
}

// dropped are apps that an earlier apply of this configuration has made and that are in it no more.
func (a *Applier) dropped(cfg *fcgisup.Config, src *Source, records map[string]*record) ([]wanted, error) {
	var all []wanted
	for name, r := range records {
		if _, stays := cfg.App(name); stays || r.Config != src.Config {
			continue
		}
		changes, err := removals(name)
		if err != nil {
			return nil, fmt.Errorf("cannot apply: %w", err)
		}
		all = append(all, wanted{Name: name, Changes: changes, Config: r.Config})
	}
	slices.SortFunc(all, func(x, y wanted) int { return strings.Compare(x.Name, y.Name) })
	return all, nil
}

func (a *Applier) planAll(ctx context.Context, wishes []wanted, records map[string]*record) ([]Plan, error) {
	plans := make([]Plan, len(wishes))
	for i, w := range wishes {
		is, err := a.look(ctx, w, records[w.Name])
		if err != nil {
			return nil, fmt.Errorf("cannot %s: %w", a.What, err)
		}
		plans[i] = planApp(w, is)
		if err := a.recordAddresses(ctx, &plans[i], is); err != nil {
			return nil, fmt.Errorf("cannot %s: %w", a.What, err)
		}
	}
	return plans, nil
}

// recordAddresses asks where the sockets that will be closed listen, while systemd has not read new unit files.
func (a *Applier) recordAddresses(ctx context.Context, p *Plan, is present) error {
	p.listening = map[int][]fcgisup.Address{}
	for _, n := range slices.Concat(p.reopen, p.restart, p.stop) {
		if _, ok := is.sockets[n]; !ok {
			continue
		}
		var err error
		if p.listening[n], err = a.systemd.Listening(ctx, units.Names(p.Name).Socket(n)); err != nil {
			return err
		}
	}
	return nil
}

// look asks systemd how an app is.
func (a *Applier) look(ctx context.Context, w wanted, r *record) (present, error) {
	is := present{record: r}
	states, err := a.systemd.List(ctx, w.Name+"-fastcgi*")
	if err != nil {
		return is, err
	}
	is.sortUnits(w.Name, states)
	if is.enabled, err = a.systemd.Enabled(ctx, units.Names(w.Name).Target()); err != nil {
		return is, err
	}
	is.started, is.reads = map[int]time.Time{}, map[int]string{}
	asking, cancel := context.WithTimeout(ctx, 2*control.ConfigTimeout) // for all: an app's user may have them hang
	defer cancel()
	for n, s := range is.services {
		if w.App == nil || !w.App.Systemd.Supervise || !s.Up() {
			continue
		}
		if is.started[n], err = a.systemd.Began(ctx, s.Name); err != nil {
			return is, err
		}
		if is.mayHaveStaleConfig(w.saved, n) {
			is.reads[n] = control.ConfigSum(asking, ControlOf(w.Name, n))
		}
	}
	return is, nil
}
