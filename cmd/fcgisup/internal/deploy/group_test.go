package deploy

import (
	"os/user"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// TestOwnGroup: a primary group with another name than the user's is found, and no
// group is made up for a user that this host does not know.
func TestOwnGroup(t *testing.T) {
	for _, c := range []struct{ user, group, want string }{
		{"root", "", ""},
		{"no-such-user", "", ""},
		{"root", "adm", "adm"},
		{"", "", ""},
	} {
		if got := WithOwnGroup(fcgisup.App{User: c.user, Group: c.group}).Group; got != c.want {
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
	app := WithOwnGroup(fcgisup.App{User: "nobody", Socket: fcgisup.Socket{User: "www-data"}})
	if app.SocketGroup() != g.Name {
		t.Errorf("the socket is %s's, want %s's", app.SocketGroup(), g.Name)
	}
}
