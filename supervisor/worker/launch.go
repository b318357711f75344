package worker

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/fcgisup/fcgisup"
)

// Launch is everything that a worker's process is started with, so that two
// equal ones need no restart between them.
type Launch struct {
	Argv       []string
	Dir        string
	Env        []string
	UID, GID   int
	Groups     []int
	Switch     bool // to UID, GID and Groups
	StopSignal syscall.Signal
	// inputs is what it was made of; nil if it came from a predecessor.
	inputs *launchInputs
}

// launchInputs is what NewLaunch has got.
type launchInputs struct {
	app     fcgisup.App
	environ []string
	// read is what the environment file was when it was read; nil without one, or if
	// systemd alone may read it.
	read *FileState
}

// Rebuild makes it of the same once more: files may say something else by now.
func (l Launch) Rebuild() (Launch, error) {
	if l.inputs == nil {
		return l, nil
	}
	n, err := NewLaunch(l.inputs.app, l.inputs.environ)
	if err == nil && l.inputs.read != nil && n.inputs.read == nil { // systemd's copy may be older than ours
		err = fmt.Errorf("cannot read the environment file any more: %w", fs.ErrPermission)
	}
	return n, err
}

// Equal reports whether both start the same program in the same way.
func (l Launch) Equal(o Launch) bool {
	return slices.Equal(l.Argv, o.Argv) && l.Dir == o.Dir && slices.Equal(l.Env, o.Env) &&
		l.Switch == o.Switch && l.UID == o.UID && l.GID == o.GID && slices.Equal(l.Groups, o.Groups) &&
		l.StopSignal == o.StopSignal
}

// ours are the variables that are about the supervisor and would mislead a worker,
// beside systemd's. RUNTIME_DIRECTORY has the control socket.
var ours = []string{"RUNTIME_DIRECTORY", "FCGI_WEB_SERVER_ADDRS", fcgisup.EnvConfig, envWorker}

// NewLaunch works out how an app's workers are started from an environment
// like os.Environ. Only root switches to the app's user.
func NewLaunch(app fcgisup.App, environ []string) (Launch, error) {
	l := Launch{Argv: app.Command, Dir: app.Directory, StopSignal: app.StopSignal, inputs: &launchInputs{app: app, environ: environ}}
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && !fcgisup.ManagerVariable(k) && !slices.Contains(ours, k) {
			env[k] = v
		}
	}
	fromFile, read, err := environmentFile(app.EnvironmentFile)
	l.inputs.read = read
	if err != nil {
		return l, err
	}
	if os.Geteuid() == 0 && app.User != "" {
		if err := l.become(app, env); err != nil {
			return l, err
		}
	}
	maps.Copy(env, fromFile)
	maps.Copy(env, app.Environment)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		l.Env = append(l.Env, k+"="+env[k])
	}
	return l, nil
}

// become looks up the app's user, its group and its supplementary groups, and
// sets the variables that systemd sets with User=, systemd.exec(5).
func (l *Launch) become(app fcgisup.App, env map[string]string) error {
	u, err := fcgisup.FindUser(app.User)
	if err != nil {
		return fmt.Errorf("cannot find the user of app %s: %w", app.Name, err)
	}
	l.Switch = true
	if l.UID, err = fcgisup.ParseID(u.Uid); err != nil {
		return fmt.Errorf("cannot run as user %q: its entry is wrong: %w", app.User, err)
	}
	if l.GID, err = fcgisup.ParseID(u.Gid); err != nil {
		return fmt.Errorf("cannot run as user %q: its entry is wrong: %w", app.User, err)
	}
	if app.Group != "" {
		if l.GID, err = fcgisup.LookupGroup(app.Group); err != nil {
			return fmt.Errorf("cannot find the group of app %s: %w", app.Name, err)
		}
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("cannot list the groups of user %q: %w", app.User, err)
	}
	for _, id := range ids {
		n, err := fcgisup.ParseID(id)
		if err != nil {
			return fmt.Errorf("cannot list the groups of user %q: %w", app.User, err)
		}
		l.Groups = append(l.Groups, n)
	}
	slices.Sort(l.Groups)
	env["USER"], env["LOGNAME"], env["HOME"] = u.Username, u.Username, u.HomeDir
	return nil
}
