package deploy

import (
	"os/user"

	"github.com/fcgisup/fcgisup"
)

// WithOwnGroup fills in the group of an app where only this host knows it: the
// primary group of its user, where that has another name. The sockets are the
// group's by default. A user that is not known here, as where units are made for
// another host, has the group of the same name, as adduser(8) makes it.
func WithOwnGroup(a fcgisup.App) fcgisup.App {
	if a.Group != "" || a.User == "" {
		return a
	}
	if group, known := PrimaryGroup(a.User); known && group != a.User {
		a.Group = group
	}
	return a
}

// PrimaryGroup returns the name of the primary group of a user, who is named or a number.
func PrimaryGroup(name string) (string, bool) {
	u, err := fcgisup.FindUser(name)
	if err != nil {
		return "", false
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return "", false
	}
	return g.Name, true
}
