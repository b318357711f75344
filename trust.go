package fcgisup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links path_resolution(7) follows.
const maxLinks = 40

// CheckTrust returns an error that names the first component of path which a
// user other than root and uid can change: the file itself, the directory that
// it is in, a directory above, or a symbolic link on the way. A directory above
// may be writable by others if it is sticky, as /tmp is: only the owner of an
// entry can then replace it. ACLs show in the group's bits of the mode.
// What CheckTrust accepts cannot be swapped by another user afterwards.
func CheckTrust(path string, uid int) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return (&trust{uid: uint32(uid)}).walk(abs)
}

type trust struct {
	uid   uint32
	links int
}

// walk resolves an absolute path as the kernel does, one component after the other.
func (t *trust) walk(path string) error {
	at := "/"
	info, err := t.owned(at)
	if err != nil {
		return err
	}
	rest := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	for i, name := range rest {
		parent, next := info, filepath.Join(at, name)
		if parent.Mode()&fs.ModeSticky == 0 {
			err = notShared(at, parent)
		}
		if err == nil {
			info, err = t.owned(next)
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return t.follow(next, rest[i+1:])
		}
		if last := i == len(rest)-1; err == nil && last && !info.IsDir() {
			err = notShared(at, parent) // the sticky bit does not keep others from making a file first
		}
		if err != nil {
			return err
		}
		at = next
	}
	return notShared(at, info)
}

func (t *trust) follow(link string, rest []string) error {
	if t.links++; t.links > maxLinks {
		return &fs.PathError{Op: "resolve", Path: link, Err: syscall.ELOOP}
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(link), target)
	}
	return t.walk(filepath.Join(append([]string{target}, rest...)...))
}

// owned refuses what belongs to another user, who can change its mode at any time.
func (t *trust) owned(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New(path + " has no owner")
	}
	if st.Uid != 0 && st.Uid != t.uid {
		return nil, fmt.Errorf("%s belongs to %s", path, userName(st.Uid))
	}
	return info, nil
}

func notShared(path string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if mode&0o022 == 0 {
		return nil
	}
	return fmt.Errorf("%s can be written by other users, its mode is %04o", path, mode)
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return "user " + u.Username
	}
	return "user " + id
}
