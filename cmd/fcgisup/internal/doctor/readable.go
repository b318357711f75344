package doctor

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// closedConfig is a configuration that the supervisors of an app cannot read.
type closedConfig struct {
	// file is the configuration, denied is what refuses access: the file, or a directory above it.
	file, denied string
	// mode is denied's permissions and owner.
	mode string
	// user and group are whom the units run as, by name.
	user, group string
}

func (c closedConfig) String() string {
	verb := "read"
	if c.denied != c.file {
		verb = "search"
	}
	return fmt.Sprintf("%s cannot %s %s (%s), so no supervisor can read the configuration", c.user, verb, c.denied, c.mode)
}

// fix is the command that lets the app's group in.
func (c closedConfig) fix() string {
	if c.denied != c.file {
		return "chmod a+x " + term.ShellWord(c.denied) + ", or move the configuration to /etc/fcgisup"
	}
	file := term.ShellWord(c.file)
	return fmt.Sprintf("chgrp %s %s && chmod 640 %[2]s; apps of other groups need chmod 644, with the secrets in an environment_file:", term.ShellWord(c.group), file)
}

// whoReads says as whom an app's units read the configuration: the service as
// rendered says which groups it has besides its user's own.
func whoReads(app fcgisup.App, service []byte) (access.Credentials, error) {
	if app.User == "" {
		return access.Credentials{}, nil
	}
	var groups []string
	for line := range strings.Lines(deploy.Directives(service, "Service")) {
		if names, ok := strings.CutPrefix(strings.TrimSpace(line), "SupplementaryGroups="); ok {
			groups = append(groups, strings.Fields(names)...)
		}
	}
	return access.Lookup(app.User, app.Group, groups...)
}

// unreadable tries to read a file as the user of the units of an app; nil if
// that is allowed or the file is not there. Only root can try as another user.
func unreadable(app fcgisup.App, service []byte, file string) (*closedConfig, error) {
	who, err := whoReads(app, service)
	if err != nil || who.UID == 0 {
		return nil, err
	}
	tried, err := access.TryAs(who, 0, unix.R_OK, file)
	got := tried[file]
	if err != nil || got.Denied == "" {
		return nil, err
	}
	return &closedConfig{
		file: file, denied: got.Denied, mode: cmp.Or(got.Mode, "gone"), user: fcgisup.UserName(who.UID), group: fcgisup.GroupName(who.GID),
	}, nil
}

// readsConfig is the service of an app as rendered, and whether its main process reads the configuration.
func readsConfig(app fcgisup.App, changes []deploy.Change) (service []byte, reads bool) {
	at := slices.IndexFunc(changes, func(c deploy.Change) bool { return filepath.Base(c.Name) == units.Names(app.Name).ServiceTemplate() })
	if at < 0 || !app.Systemd.Supervise {
		return nil, false
	}
	return changes[at].New, true
}

// gatherReadable tries whether the app's supervisors can read the configuration.
func (f *facts) gatherReadable(a *appFacts, file string) {
	service, reads := readsConfig(a.App, a.changes)
	if !reads {
		return
	}
	var err error
	if a.closed, err = unreadable(a.App, service, file); err != nil && !term.IsRoot() {
		f.note("configuration-not-tried", "app "+a.Name, "Whether its user can read the configuration was not tested: "+err.Error()+".", "sudo fcgisup doctor")
	}
}

// findUnreadable: supervisors that cannot read their configuration.
func findUnreadable(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		if a.closed != nil {
			found = append(found, finding.Finding{Subject: "app " + a.Name, Message: "It cannot start: " + a.closed.String() + ".", Fix: a.closed.fix()})
		}
	}
	return found
}
