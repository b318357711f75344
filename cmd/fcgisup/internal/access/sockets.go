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

// May reports whether the mode of a file gives a permission of rwx, a bit of 7, to these
// credentials; root needs none.
func (c Credentials) May(uid, gid int, mode fs.FileMode, bit fs.FileMode) bool {
	switch {
	case c.UID == uid:
		return mode&(bit<<6) != 0
	case c.GID == gid || slices.Contains(c.Groups, gid):
		return mode&(bit<<3) != 0
	}
	return mode&bit != 0
}

// MayConnect reports whether connect(2) to a unix socket with these permissions finds write
// permission, unix(7); the directories above it aside.
func (c Credentials) MayConnect(uid, gid int, mode fs.FileMode) bool {
	return c.UID == 0 || c.May(uid, gid, mode, 0o2)
}

// ClosedTo says that the web server cannot connect to a socket that this process
// has made as a user who may not give files away; empty if it can, or if who it
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
