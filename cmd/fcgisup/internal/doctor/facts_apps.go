package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// appFacts is an app of the configuration, and what it needs that is not there.
type appFacts struct {
	fcgisup.App
	// changes are its files, those that differ from what gen renders and those that do not.
	changes []deploy.Change
	// noUsers and noGroups are names that this host does not know, by key.
	noUsers, noGroups []configured
	// command is what is wrong with the program: a finding's id and words.
	command *finding.Finding
	// environment is what is wrong with the place of its environment file.
	environment *finding.Finding
	// missing are the files and directories that do not exist, by key.
	missing []configured
	// socket is who may connect to its unix sockets once they are as configured; nil if that is not known.
	socket *access.SocketMode
	// workers are the app's workers, as the kernel knows them; nil if that is not known.
	workers *access.Credentials
	// closed is set where its supervisors cannot read the configuration.
	closed *closedConfig
	// needs are what the sandbox takes from it.
	needs sandboxNeeds
}

// configured is a value of the configuration with its key.
type configured struct{ key, value string }

// installed reports whether any unit of the app is on this host.
func (a appFacts) installed() bool {
	for _, c := range a.changes {
		if strings.HasPrefix(c.Name, "systemd/") && c.Old != nil {
			return true
		}
	}
	return false
}

// gatherApps looks at what the configuration names.
func (d *Doctor) gatherApps(f *facts, cfg *fcgisup.Config) error {
	if cfg == nil {
		f.note("no-configuration", "fcgisup", "There is none, so only the host was examined.", "fcgisup init")
		return nil
	}
	f.config = cfg.Path
	f.warned(cfg, func(string) bool { return true })
	g := &deploy.Generation{Env: d.Env, Units: true, Nginx: true, Binary: d.Binary}
	src := &deploy.Source{}
	var err error
	if src.Config, err = g.UnitConfig(); err == nil {
		err = g.Choose(src, cfg, nil, false)
	}
	if err != nil {
		return err
	}
	read := cmp.Or(src.Config, fcgisup.SystemConfig)
	f.gatherMonitor(cfg, read)
	f.gatherWritable(cfg, read)
	for _, app := range src.Apps {
		a := appFacts{App: app}
		only := *src
		only.Apps = []fcgisup.App{app}
		files, err := g.Render(&only)
		if err != nil {
			return term.Usage(err)
		}
		if a.changes, err = g.Compare(&only, files); errors.Is(err, fs.ErrPermission) {
			f.note("files-not-read", "app "+app.Name, "Its installed files are not readable: "+err.Error()+".", "sudo fcgisup doctor")
		} else if err != nil {
			return err
		}
		a.gather()
		f.gatherReadable(&a, read)
		f.apps = append(f.apps, a)
	}
	return nil
}

// warned are the configuration's warnings about these apps.
func (f *facts) warned(cfg *fcgisup.Config, about func(app string) bool) {
	for _, w := range cfg.Warnings {
		rest, ofApp := strings.CutPrefix(w.Key, "apps.")
		app, _, _ := strings.Cut(rest, ".")
		if ofApp && about(app) {
			f.warnings = append(f.warnings, w)
		}
	}
}

// gather looks at what the app needs of this host.
func (a *appFacts) gather() {
	a.gatherAccounts()
	a.command = a.launch().problem()
	a.gatherPaths()
	a.environment = a.hiddenEnvironment()
	a.gatherSocket()
	a.gatherNeeds(context.Background())
}

func (a *appFacts) gatherAccounts() {
	if c, err := access.Lookup(a.User, a.Group); err == nil {
		a.workers = &c
	}
	users := []configured{{"user", a.User}}
	groups := []configured{{"group", a.Group}}
	if a.Listen.Network() == "unix" {
		users = append(users, configured{"socket.user", a.Socket.User})
		groups = append(groups, configured{"socket.group", a.Socket.Group})
	}
	for _, u := range users {
		if !access.UserExists(u.value) {
			a.noUsers = append(a.noUsers, u)
		}
	}
	for _, g := range groups {
		if !access.GroupExists(g.value) {
			a.noGroups = append(a.noGroups, g)
		}
	}
}

func (a *appFacts) gatherPaths() {
	if a.Systemd.Service["RootDirectory"] != nil || a.Systemd.Service["RootImage"] != nil {
		return // its paths are not this host's
	}
	if info, err := os.Stat(a.Directory); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		a.missing = append(a.missing, configured{"directory", a.Directory})
	}
	file := a.EnvironmentFile
	if file == "" || strings.HasPrefix(file, "-") || strings.ContainsAny(file, "*?[%") {
		return
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		a.missing = append(a.missing, configured{"environment_file", file})
	}
}

// hiddenEnvironment says that the sandbox hides the environment file: systemd reads it before
// there is a sandbox, the supervisor within. One that is as if not there fails each start; one
// that is closed to the supervisor is systemd's alone.
func (a *appFacts) hiddenEnvironment() *finding.Finding {
	file := strings.TrimPrefix(a.EnvironmentFile, "-")
	if _, err := os.Stat(file); file == "" || err != nil || !a.Systemd.Supervise {
		return nil
	}
	l := a.launch()
	if l.mounts.OwnRoot {
		return nil
	}
	f := l.hidden(file, "its environment file")
	if f == nil {
		return nil
	}
	f.Severity = finding.Error
	directive, _ := l.hides(file)
	if key, value, _ := strings.Cut(directive, "="); key == "ProtectHome" && value != "tmpfs" && a.User != "root" {
		f.Severity = finding.Warning
		f.Message = fmt.Sprintf("The sandbox of the unit (%s) hides %s, its environment file. Only systemd reads it, when the service starts; a reload does not apply its changes.", directive, file)
	}
	return f
}

// gatherSocket reads the socket unit as rendered: what is absent there is systemd's default.
func (a *appFacts) gatherSocket() {
	rendered, _ := units.Read(a.rendered(units.Names(a.Name).SocketTemplate()))
	if a.Listen.Network() != "unix" || len(rendered) == 0 {
		return
	}
	s := access.SocketMode{User: "root", Group: "root", Mode: 0o666}
	for _, d := range rendered {
		switch d.Key {
		case "SocketUser":
			s.User = d.Value
		case "SocketGroup":
			s.Group = d.Value
		case "SocketMode":
			mode, err := strconv.ParseUint(d.Value, 8, 32)
			if err != nil {
				return
			}
			s.Mode = fs.FileMode(mode)
		}
	}
	var err, bad error
	s.UID, err = fcgisup.LookupUser(s.User)
	if s.GID, bad = fcgisup.LookupGroup(s.Group); err == nil && bad == nil {
		a.socket = &s
	}
}

// rendered is a file of the app as gen renders it.
func (a *appFacts) rendered(name string) []byte {
	for _, c := range a.changes {
		if filepath.Base(c.Name) == name {
			return c.New
		}
	}
	return nil
}

// launch is how the app's units execute its program.
func (a *appFacts) launch() launch {
	name := units.Names(a.Name).ServiceTemplate()
	service := a.rendered(name)
	l := launch{
		argv: a.Command, directory: a.Directory, mounts: units.MountsOf(dropIns(name, service)),
		user: a.User, correct: "apps." + a.Name + ".command",
		loosen: func(directive string) string {
			key, value, _ := strings.Cut(directive, "=")
			return fmt.Sprintf("apps.%s.systemd: {service: {%s: %s}}", a.Name, key, strconv.Quote(value))
		},
	}
	var files []string
	if a.EnvironmentFile != "" {
		files = []string{strings.TrimPrefix(a.EnvironmentFile, "-")}
	}
	var assignments []string
	if path, ok := a.Environment["PATH"]; ok {
		assignments = []string{"PATH=" + path}
	}
	l.path = pathIn(assignments, files)
	l.as(whoReads(a.App, service))
	return l
}
