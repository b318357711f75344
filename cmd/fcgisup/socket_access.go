package main

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// mayConnect tells whether the kernel lets somebody connect to a unix socket with
// these permissions, unix(7); the directories above it aside.
func (c credentials) mayConnect(uid, gid int, mode fs.FileMode) bool {
	switch {
	case c.uid == 0:
		return true
	case c.uid == uid:
		return mode&0o200 != 0
	case c.gid == gid || slices.Contains(c.groups, gid):
		return mode&0o020 != 0
	}
	return mode&0o002 != 0
}

// closedTo says that the web server cannot connect to a socket that this process
// has made as somebody who may not give files away; empty if it can, or if who it
// is cannot be known.
func closedTo(opt fcgisup.Socket, path string) string {
	info, err := os.Stat(path)
	if err != nil || term.IsRoot() || opt.User == "" {
		return ""
	}
	web, err := lookup(opt.User, "")
	is, ok := info.Sys().(*syscall.Stat_t)
	if err != nil || !ok || web.mayConnect(int(is.Uid), int(is.Gid), info.Mode()) {
		return ""
	}
	return fmt.Sprintf("%s may not connect to %s (%s): only root can give it the socket", opt.User, path, fcgisup.Permissions(info))
}
