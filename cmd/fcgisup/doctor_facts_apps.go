package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/units"
)

// appFacts is an app of the configuration, and what it needs that is not there.
type appFacts struct {
	fcgisup.App
	// changes are its files, those that differ from what gen renders and those that do not.
	changes []change
	// noUsers and noGroups are names that this host does not know, by key.
	noUsers, noGroups []configured
	// command is what is wrong with the program: a finding's id and words.
	command *finding
	// missing are files and folders that are not there, by key.
	missing []configured
	// closed is set where its supervisors cannot read the configuration.
	closed *closedConfig
}

// configured is a value of the configuration with its key.
type configured struct{ key, value string }

// installed tells whether any unit of the app is on this host.
func (a appFacts) installed() bool {
	for _, c := range a.changes {
		if strings.HasPrefix(c.name, "systemd/") && c.old != nil {
			return true
		}
	}
	return false
}

// gatherApps looks at what the configuration names.
func (d *doctor) gatherApps(f *facts, cfg *fcgisup.Config) error {
	if cfg == nil {
		f.note("no-configuration", "fcgisup", "There is none, so only the host was looked at.", "fcgisup init")
		return nil
	}
	f.config = cfg.Path
	g := &generation{cli: d.cli, units: true, nginx: true, binary: d.binary}
	src := &source{}
	var err error
	if src.config, err = g.unitConfig(); err == nil {
		err = g.choose(src, cfg, nil, false)
	}
	if err != nil {
		return err
	}
	read := cmp.Or(src.config, fcgisup.SystemConfig)
	f.gatherMonitor(cfg, read)
	f.gatherWritable(cfg, read)
	for _, app := range src.apps {
		a := appFacts{App: app}
		only := *src
		only.apps = []fcgisup.App{app}
		files, err := g.render(&only)
		if err != nil {
			return usage(err)
		}
		if a.changes, err = g.compare(&only, files); errors.Is(err, fs.ErrPermission) {
			f.note("files-not-read", "app "+app.Name, "Its installed files may not be read: "+err.Error()+".", "sudo fcgisup doctor")
		} else if err != nil {
			return err
		}
		a.gatherAccounts()
		a.command = lookAtCommand(app)
		a.gatherPaths()
		f.gatherReadable(&a, read)
		f.apps = append(f.apps, a)
	}
	return nil
}

func (a *appFacts) gatherAccounts() {
	users := []configured{{"user", a.User}}
	groups := []configured{{"group", a.Group}}
	if a.Listen.Network() == "unix" {
		users = append(users, configured{"socket.user", a.Socket.User})
		groups = append(groups, configured{"socket.group", a.Socket.Group})
	}
	for _, u := range users {
		if u.value != "" && !isNumber(u.value) && !userExists(u.value) {
			a.noUsers = append(a.noUsers, u)
		}
	}
	for _, g := range groups {
		if g.value != "" && !isNumber(g.value) && !groupExists(g.value) {
			a.noGroups = append(a.noGroups, g)
		}
	}
}

func userExists(name string) bool {
	_, err := user.Lookup(name)
	return err == nil || inDirectory("passwd", name)
}

func groupExists(name string) bool {
	_, err := user.LookupGroup(name)
	return err == nil || inDirectory("group", name)
}

// inDirectory asks the C library for an account that is in no file but in a
// directory such as LDAP, nsswitch.conf(5): systemd knows those too. One that
// does not answer leaves it open, which is no finding.
func inDirectory(database, name string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), directoryPatience)
	defer cancel()
	err := exec.CommandContext(ctx, "getent", "--", database, name).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode() != notInDirectory
	}
	return err == nil
}

const (
	directoryPatience = 10 * time.Second
	// notInDirectory is getent(1)'s exit code for a name that it does not know.
	notInDirectory = 2
)

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

func (a *appFacts) gatherPaths() {
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

// lookAtCommand says what is wrong with an app's program; one that may not be looked at is left alone.
func lookAtCommand(app fcgisup.App) *finding {
	path := app.Command[0]
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return &finding{ID: "command-missing", Message: path + " does not exist.", Mend: "install the program, or correct apps." + app.Name + ".command"}
	case err != nil:
		return nil
	case info.IsDir():
		return &finding{ID: "command-not-executable", Message: path + " is a folder.", Mend: "correct apps." + app.Name + ".command"}
	}
	if !executable(app, path, info) {
		return &finding{
			ID: "command-not-executable", Message: path + " may not be executed by " + app.User + " (" + ownership(info) + ").",
			Mend: "chmod 755 " + shellWord(path) + ", and see that its folders may be searched",
		}
	}
	if program := interpreter(path); program != "" {
		if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
			return &finding{ID: "interpreter-missing", Message: "The first line of " + path + " names " + program + ", which does not exist.", Mend: "install " + program + ", or correct that line"}
		}
	}
	return nil
}

// executable is tried as the app's user where that is possible, else read off the mode.
func executable(app fcgisup.App, path string, info fs.FileInfo) bool {
	if who, err := lookup(app.User, app.Group); err == nil && isRoot() {
		ok := false
		if err := as(who, func() { ok = mayExecute(path) }); err == nil {
			return ok
		}
	}
	return info.Mode()&0o111 != 0
}

// interpreter is the program that a script's first line names, execve(2).
func interpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	rest, ok := strings.CutPrefix(line, "#!")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 || !filepath.IsAbs(words[0]) {
		return ""
	}
	return words[0]
}

// makerOf is the app whose unit a file is, empty if gen did not make it.
func makerOf(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	words := strings.Fields(strings.TrimPrefix(line, units.Header))
	if !strings.HasPrefix(line, units.Header+"fcgisup gen ") || len(words) < 3 {
		return ""
	}
	return words[2]
}
