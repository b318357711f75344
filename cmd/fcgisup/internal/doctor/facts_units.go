package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/units"
)

// gatherUnits asks systemd about the socket units that are about FastCGI: ours,
// those that nginx passes to, and those whose program gets the socket as its
// standard input.
func (f *facts) gatherUnits(ctx context.Context, systemd *units.Systemd) error {
	f.systemd = true
	all, err := systemd.Sockets(ctx)
	if err != nil {
		return err
	}
	passed := f.passed()
	for _, u := range all {
		for i := range u.Listen {
			u.Listen[i] = peer.Canonical(u.Listen[i])
		}
		s := socketFacts{SocketUnit: u, app: deploy.MakerOf(u.File)}
		if u.Service != "" {
			if s.service, err = systemd.ServiceUnit(ctx, u.Service); err != nil {
				return err
			}
		}
		if s.app == "" && !passed(u.Listen) && !s.service.OnStdin {
			continue
		}
		s.lost = s.isLost()
		s.open = s.Mode&0o002 != 0 && slices.ContainsFunc(s.Listen, func(a fcgisup.Address) bool {
			return a.Network == "unix" && everybodyReaches(a.Addr)
		})
		s.missing = missingOf(s.service)
		s.program = programProblem(s)
		f.sockets = append(f.sockets, s)
	}
	if err := f.gatherNamed(ctx, systemd); err != nil {
		return err
	}
	if f.monitor.unit, err = systemd.ServiceUnit(ctx, units.MonitorUnit); err != nil || f.web == nil {
		return err
	}
	web, err := systemd.ServiceUnit(ctx, deploy.NginxService)
	f.web.privateTmp = web.PrivateTmp
	return err
}

// isLost reports whether a path that the unit listens on leads nowhere.
func (s socketFacts) isLost() bool {
	if s.Active != "active" {
		return false
	}
	for _, a := range s.Listen {
		if _, err := os.Stat(a.Addr); a.Network == "unix" && errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// everybodyReaches reports whether every user can search the directories of a path: a
// closed one keeps a socket that is open to all from most.
func everybodyReaches(path string) bool {
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		if info, err := os.Stat(folder); err == nil && info.Mode()&0o001 == 0 || errors.Is(err, fs.ErrPermission) {
			return false
		}
		if folder == "/" {
			return true
		}
	}
}

// missingOf are the accounts, files and directories of a service that do not exist.
func missingOf(u units.ServiceUnit) []configured {
	var all []configured
	if !access.UserExists(u.User) {
		all = append(all, configured{"User", u.User})
	}
	if !access.GroupExists(u.Group) {
		all = append(all, configured{"Group", u.Group})
	}
	for _, n := range u.Needs {
		if n.Parent && !isDirectory(filepath.Dir(n.Path)) {
			all = append(all, configured{n.Directive, n.Path})
		} else if _, err := os.Stat(n.Path); !n.Parent && errors.Is(err, fs.ErrNotExist) {
			all = append(all, configured{n.Directive, n.Path})
		}
	}
	if u.Mounts.OwnRoot {
		return all
	}
	for _, file := range u.EnvironmentFiles {
		if found, err := filepath.Glob(file); err == nil && len(found) == 0 {
			all = append(all, configured{"EnvironmentFile", file})
		}
	}
	if info, err := os.Stat(u.Directory); u.Directory != "" && !slices.Contains(u.Made, u.Directory) && (errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()) {
		all = append(all, configured{"WorkingDirectory", u.Directory})
	}
	return all
}

// programProblem says why the program of a service, or a command that runs beside it, cannot be
// executed. Those of a unit of ours are the renderer's.
func programProblem(s socketFacts) *finding.Finding {
	l := launchOf(s)
	if f := l.problem(); f != nil {
		return f
	}
	for _, h := range s.service.Helpers {
		beside := l
		beside.argv, beside.correct = h.Argv, h.Directive+"="
		if h.Privileged {
			beside.user, beside.who, beside.mounts = "root", nil, units.Mounts{}
		}
		if f := beside.problem(); f != nil {
			f.Message = h.Directive + "=: " + f.Message
			return f
		}
	}
	return nil
}

// launchOf is how a unit executes its program. The arguments of a unit of ours
// are the app's, which is looked at itself.
func launchOf(s socketFacts) launch {
	u := s.service
	l := launch{
		directory: cmp.Or(u.Directory, "/"), path: pathIn(u.Environment, u.EnvironmentFiles), mounts: u.Mounts,
		user: cmp.Or(u.User, "root"), correct: "ExecStart=",
		loosen: func(directive string) string { return inDropIn(u.Name, "Service", "", directive) },
	}
	if u.Program == "" {
		return l
	}
	l.argv = []string{u.Program}
	if s.app == "" {
		l.argv = append(l.argv, u.Args...)
	}
	if u.User != "" {
		l.as(access.Lookup(u.User, u.Group, u.Groups...))
	}
	return l
}

// gatherNamed asks about the units that apps name, and the apps' targets.
func (f *facts) gatherNamed(ctx context.Context, systemd *units.Systemd) error {
	f.named = map[string]units.Unit{}
	for _, a := range f.apps {
		for _, name := range slices.Concat([]string{units.Names(a.Name).Target()}, a.After, a.Wants, a.Requires) {
			if _, asked := f.named[name]; asked {
				continue
			}
			var err error
			if f.named[name], err = systemd.Unit(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}
