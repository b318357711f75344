package access

import (
	"io/fs"
	"testing"
)

func TestMayConnect(t *testing.T) {
	web := Credentials{UID: 33, GID: 33}
	for _, c := range []struct {
		who      Credentials
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
		{Credentials{UID: 7, GID: 7, Groups: []int{7, 100}}, 33, 100, 0o660, true},
		{Credentials{}, 33, 33, 0, true},
	} {
		if got := c.who.MayConnect(c.uid, c.gid, c.mode); got != c.want {
			t.Errorf("%+v to %d:%d %o: %v", c.who, c.uid, c.gid, c.mode, got)
		}
	}
}
