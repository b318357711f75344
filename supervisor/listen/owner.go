package listen

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/fcgisup/fcgisup"
)

// owners are the user and the group that a socket file is given, -1 to leave one
// as it is.
func owners(opt fcgisup.Socket) (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return -1, ownGroup(opt), nil
	}
	uid, gid = -1, -1
	if opt.User != "" {
		if uid, err = fcgisup.LookupUser(opt.User); err != nil {
			return -1, -1, fmt.Errorf("cannot find the socket's user: %w", err)
		}
	}
	if opt.Group != "" {
		if gid, err = fcgisup.LookupGroup(opt.Group); err != nil {
			return -1, -1, fmt.Errorf("cannot find the socket's group: %w", err)
		}
	}
	return uid, gid, nil
}

// ownGroup is what is left to those who are not root: the file stays theirs, so
// that the probes connect, and gets the group that is configured, else that of the
// web server, if they are in it. -1: it keeps theirs.
func ownGroup(opt fcgisup.Socket) int {
	gid := -1
	if opt.Group != "" {
		if id, err := fcgisup.LookupGroup(opt.Group); err == nil {
			gid = id
		}
	} else if u, err := user.Lookup(opt.User); err == nil {
		if id, err := strconv.Atoi(u.Gid); err == nil {
			gid = id
		}
	}
	ours, err := os.Getgroups()
	if err != nil || gid != os.Getegid() && !slices.Contains(ours, gid) {
		return -1
	}
	return gid
}
