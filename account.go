package fcgisup

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// ParseID reads the number of a user or group. What is not one is an error: a
// number that does not fit would become another account's, in the worst case
// root's, and the highest means "leave unchanged" to chown(2) and setresuid(2).
func ParseID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is not a user or group number between 0 and %d", text, uint32(1<<32-2))
	}
	return int(n), nil
}

// UserName returns the name of a user, or its number if it has none.
func UserName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// GroupName returns the name of a group, or its number if it has none.
func GroupName(gid int) string {
	id := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// Permissions returns a file's mode and owners, as in 0750 root:adm.
func Permissions(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Mode().String()
	}
	return fmt.Sprintf("%04o %s:%s", info.Mode().Perm(), UserName(int(st.Uid)), GroupName(int(st.Gid)))
}

// UserID returns the number of a user of the configuration, who is root if none is
// named; false if there is no such user.
func UserID(name string) (uid int, known bool) {
	if name == "" {
		return 0, true
	}
	uid, err := LookupUser(name)
	return uid, err == nil
}

// LookupUser returns the number of a user. A number need not have an entry in the user database.
func LookupUser(name string) (int, error) {
	if numeric(name) {
		return ParseID(name)
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return ParseID(u.Uid)
}

// LookupGroup is LookupUser for a group.
func LookupGroup(name string) (int, error) {
	if numeric(name) {
		return ParseID(name)
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return ParseID(g.Gid)
}

// FindUser returns the entry of a user in the user database.
func FindUser(name string) (*user.User, error) {
	if numeric(name) {
		return user.LookupId(name)
	}
	return user.Lookup(name)
}

// A name of digits alone is an id, as it is for systemd.
func numeric(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == ""
}
