package access

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// MayConnect tells whether the kernel lets somebody connect to a unix socket with
// these permissions, unix(7); the directories above it aside.
func (c Credentials) MayConnect(uid, gid int, mode fs.FileMode) bool {
	switch {
	case c.UID == 0:
		return true
	case c.UID == uid:
		return mode&0o200 != 0
	case c.GID == gid || slices.Contains(c.Groups, gid):
		return mode&0o020 != 0
	}
	return mode&0o002 != 0
}

// ClosedTo says that the web server cannot connect to a socket that this process
// has made as somebody who may not give files away; empty if it can, or if who it
// is cannot be known.
func ClosedTo(opt fcgisup.Socket, path string) string {
	info, err := os.Stat(path)
	if err != nil || term.IsRoot() || opt.User == "" {
		return ""
	}
	web, err := Lookup(opt.User, "")
	is, ok := info.Sys().(*syscall.Stat_t)
	if err != nil || !ok || web.MayConnect(int(is.Uid), int(is.Gid), info.Mode()) {
		return ""
	}
	return fmt.Sprintf("%s may not connect to %s (%s): only root can give it the socket", opt.User, path, fcgisup.Permissions(info))
}
