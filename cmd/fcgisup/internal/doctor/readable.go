package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
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
	name, group := app.User, app.Group
	if access.IsNumber(name) {
		u, err := user.LookupId(name)
		if err != nil {
			return access.Credentials{}, err
		}
		name = u.Username
	}
	if access.IsNumber(group) {
		group = ""
	}
	who, err := access.Lookup(name, group)
	if err != nil {
		return who, err
	}
	if access.IsNumber(app.Group) && app.Group != "" {
		who.GID, err = strconv.Atoi(app.Group)
	}
	for line := range strings.Lines(deploy.Directives(service, "Service")) {
		names, ok := strings.CutPrefix(strings.TrimSpace(line), "SupplementaryGroups=")
		if !ok {
			continue
		}
		for _, name := range strings.Fields(names) {
			if g, err := user.LookupGroup(name); err == nil {
				name = g.Gid
			}
			if id, err := strconv.Atoi(name); err == nil {
				who.Groups = append(who.Groups, id)
			}
		}
	}
	return who, err
}

// unreadable tries to read a file as the user of the units of an app; nil if
// that is allowed or the file is not there. Only root can try as another user.
func unreadable(app fcgisup.App, service []byte, file string) (*closedConfig, error) {
	who, err := whoReads(app, service)
	if err != nil || who.UID == 0 {
		return nil, err
	}
	root, err := access.Root(0)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var got access.Result
	var failed error
	try := func() { got, failed = access.Try(int(root.Fd()), file, unix.R_OK) }
	switch {
	case term.IsRoot():
		err = access.As(who, try)
	case who.UID == os.Geteuid():
		try()
	default:
		err = errors.New("only root can become " + fcgisup.UserName(who.UID))
	}
	if err = cmp.Or(err, failed); err != nil || got.Denied == "" {
		return nil, err
	}
	c := &closedConfig{file: file, denied: got.Denied, user: fcgisup.UserName(who.UID), group: strconv.Itoa(who.GID), mode: "gone"}
	if g, err := user.LookupGroupId(c.group); err == nil {
		c.group = g.Name
	}
	if info, err := os.Stat(c.denied); err == nil {
		c.mode = fcgisup.Permissions(info)
	}
	return c, nil
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
