package main

import (
	"io/fs"
	"os/user"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
)

func TestMayConnect(t *testing.T) {
	web := credentials{uid: 33, gid: 33}
	for _, c := range []struct {
		who      credentials
		uid, gid int
		mode     fs.FileMode
		want     bool
	}{
		{web, 33, 100, 0o660, true},
		{web, 33, 33, 0o060, false}, // the owner's permissions alone count
		{web, 100, 33, 0o660, true},
		{web, 100, 33, 0o600, false},
		{web, 100, 100, 0o660, false},
		{web, 100, 100, 0o662, true},
		{web, 100, 33, 0o602, false},
		{credentials{uid: 7, gid: 7, groups: []int{7, 100}}, 33, 100, 0o660, true},
		{credentials{}, 33, 33, 0, true},
	} {
		if got := c.who.mayConnect(c.uid, c.gid, c.mode); got != c.want {
			t.Errorf("%+v to %d:%d %o: %v", c.who, c.uid, c.gid, c.mode, got)
		}
	}
}

// TestOwnGroup: a primary group with another name than the user's is found, and no
// group is made up for a user that this host does not know.
func TestOwnGroup(t *testing.T) {
	for _, c := range []struct{ user, group, want string }{
		{"root", "", ""},
		{"no-such-user", "", ""},
		{"root", "adm", "adm"},
		{"", "", ""},
	} {
		if got := deploy.WithOwnGroup(fcgisup.App{User: c.user, Group: c.group}).Group; got != c.want {
			t.Errorf("%s:%s: %q, want %q", c.user, c.group, got, c.want)
		}
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("this host has no user nobody")
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil || g.Name == "nobody" {
		t.Skip("nobody has a group of its own here")
	}
	app := deploy.WithOwnGroup(fcgisup.App{User: "nobody", Socket: fcgisup.Socket{User: "www-data"}})
	if app.SocketGroup() != g.Name {
		t.Errorf("the socket is %s's, want %s's", app.SocketGroup(), g.Name)
	}
}
