package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/fcgisup/fcgisup"
)

// advise says what to do about a connection that failed. One that this user may not make says nothing about the backend.
func (r *checked) advise() {
	if r.err == nil || r.network != "unix" {
		return
	}
	switch info, err := os.Stat(r.Address); {
	case errors.Is(r.err, fs.ErrPermission):
		r.code, r.Hint = NagiosUnknown, "run as root"
		if err == nil {
			r.Hint += ownersOf(info)
		}
	case errors.Is(r.err, syscall.ECONNREFUSED) && err == nil && info.Mode().Type() != fs.ModeSocket:
		r.Error = fmt.Sprintf("cannot connect to %s: it is %s, not a socket", r.Address, kindOf(info.Mode()))
		r.Hint = "name the socket that the program listens on"
		if r.Instance != "" {
			r.Hint = "remove it and run fcgisup apply"
		}
	case errors.Is(r.err, syscall.ECONNREFUSED), errors.Is(r.err, fs.ErrNotExist):
		r.Hint = "no program listens there; start it, or name another address"
		if r.Instance != "" {
			r.Hint = "fcgisup apply installs and starts the configured apps"
		}
	}
}

// ownersOf names who may connect beside root, by the mode of the socket.
func ownersOf(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	owners := ""
	if info.Mode()&0o200 != 0 && st.Uid != 0 {
		owners = " or " + fcgisup.UserName(int(st.Uid))
	}
	if info.Mode()&0o020 != 0 {
		owners += " or as a member of the group " + fcgisup.GroupName(int(st.Gid))
	}
	return owners
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a directory"
	default:
		return "a device or a pipe"
	}
}
