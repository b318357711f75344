package fcgisup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links path_resolution(7) follows.
const maxLinks = 40

// TrustError says that a user other than root and the expected one can change a path.
type TrustError struct {
	// Path is the component that they can change, Why how.
	Path, Why string
	// Anyone is set if every user can.
	Anyone bool
}

func (e *TrustError) Error() string { return e.Path + " " + e.Why }

// CheckTrust returns a [TrustError] that names the first component of path which a
// user other than root and uid can change: the file itself, the directory that
// it is in, a directory above, or a symbolic link on the way. A directory above
// may be writable by others if it is sticky, as /tmp is: only the owner of an
// entry can then replace it. ACLs show in the group's bits of the mode.
// What CheckTrust accepts cannot be swapped by another user afterwards.
func CheckTrust(path string, uid int) error {
	if !filepath.IsAbs(path) {
		// Not os.Getwd: $PWD may lead here through a link of another user.
		here, err := syscall.Getwd()
		if err != nil {
			return fmt.Errorf("cannot find the working directory: %w", err)
		}
		path = here + "/" + path
	}
	return (&trust{uid: uint32(uid)}).walk(path)
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
		target = filepath.Dir(link) + "/" + target
	}
	return t.walk(target + "/" + strings.Join(rest, "/")) // not cleaned: ".." after a link is the target's
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
		return nil, &TrustError{Path: path, Why: "belongs to user " + UserName(int(st.Uid))}
	}
	return info, nil
}

func notShared(path string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if mode&0o022 == 0 {
		return nil
	}
	return &TrustError{path, fmt.Sprintf("can be written by other users, its mode is %04o", mode), mode&0o002 != 0}
}
