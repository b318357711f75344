package access

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// Credentials are whom the kernel takes a thread for.
type Credentials struct {
	UID, GID int
	Groups   []int
}

// as runs a function with other credentials. In Linux a thread has its own:
// the C library alone makes those of a process one. So this takes a thread that
// no other code runs on and that ends with it, and needs neither a second
// process nor that the user may execute this program. Root alone may.
func as(who Credentials, do func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: it ends the thread
		err := who.become()
		if err == nil {
			do()
		}
		done <- err
	}()
	return <-done
}

// become calls the kernel itself: package syscall would change all threads.
func (c Credentials) become() error {
	groups := make([]uint32, len(c.Groups)+1) // one more, to have an address
	for i, g := range c.Groups {
		groups[i] = uint32(g)
	}
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_SETRESGID, uintptr(c.GID), uintptr(c.GID), uintptr(c.GID))
	}
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_SETRESUID, uintptr(c.UID), uintptr(c.UID), uintptr(c.UID))
	}
	if e != 0 {
		return fmt.Errorf("cannot become user %d: %w", c.UID, e)
	}
	return nil
}

// Lookup finds a user's credentials as initgroups(3) does; an empty group is the user's own. Numbers are accepted as names.
// more are supplementary groups; those that do not exist are left out.
func Lookup(name, group string, more ...string) (Credentials, error) {
	u, err := fcgisup.FindUser(name)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{}
	if c.UID, err = fcgisup.ParseID(u.Uid); err != nil {
		return c, err
	}
	if c.GID, err = fcgisup.LookupGroup(cmp.Or(group, u.Gid)); err != nil {
		return c, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return c, err
	}
	for _, id := range ids {
		n, err := fcgisup.ParseID(id)
		if err != nil {
			return c, err
		}
		c.Groups = append(c.Groups, n)
	}
	for _, name := range more {
		if id, err := fcgisup.LookupGroup(name); err == nil {
			c.Groups = append(c.Groups, id)
		}
	}
	return c, nil
}

// Result is what a connect(2) to a socket file, or an open(2), would meet.
type Result struct {
	// Denied is the file or the directory that refuses, empty if none does.
	Denied string
	// Mode is its permissions and owner.
	Mode string
	// Missing tells that there is no such file where nginx looks.
	Missing bool
	// Hidden tells that the file is missing there only.
	Hidden bool
}

// TryAs asks for a permission on files with other credentials, in the mount namespace of a process (0: this one's), up to
// the first error. Only root can have other credentials than its own, or enter another namespace.
func TryAs(who Credentials, pid int, permission uint32, paths ...string) (map[string]Result, error) {
	if !term.IsRoot() {
		if pid = 0; who.UID != os.Geteuid() {
			return nil, errors.New("only root can become " + fcgisup.UserName(who.UID))
		}
	}
	root, err := openRoot(pid)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	all := map[string]Result{}
	var failed error
	each := func() {
		for _, path := range paths {
			if all[path], failed = try(int(root.Fd()), path, permission); failed != nil {
				return
			}
		}
	}
	if term.IsRoot() {
		err = as(who, each)
	} else {
		each()
	}
	for path, x := range all {
		if info, err := os.Stat(x.Denied); err == nil {
			x.Mode = fcgisup.Permissions(info)
			all[path] = x
		}
	}
	return all, cmp.Or(err, failed)
}

// try asks for a permission on a file, access(2), and for search permission on its directories: connect(2) asks for write
// permission on a socket, unix(7) "Pathname socket ownership and permissions". The root is that of the process whose mount
// namespace counts.
func try(root int, path string, permission uint32) (Result, error) {
	fd, err := openIn(root, path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return Result{Missing: true}, nil
	case errors.Is(err, unix.EACCES):
		return Result{Denied: firstClosed(root, filepath.Dir(path))}, nil
	case err != nil:
		return Result{}, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	defer unix.Close(fd)
	err = unix.Faccessat(fd, "", permission, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EACCES) {
		return Result{Denied: path}, nil
	}
	if err != nil && !errors.Is(err, unix.EROFS) {
		return Result{}, fmt.Errorf("cannot ask for permission on %s: %w", path, err)
	}
	return Result{}, nil
}

func openIn(root int, path string) (int, error) {
	return unix.Openat2(root, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
}

// firstClosed is the directory that may not be searched, the one nearest to the root.
func firstClosed(root int, folder string) string {
	if parent := filepath.Dir(folder); parent != folder {
		if closed := firstClosed(root, parent); closed != "" {
			return closed
		}
	}
	fd, err := openIn(root, folder)
	if err != nil {
		return folder
	}
	defer unix.Close(fd)
	if unix.Faccessat(fd, "", unix.X_OK, unix.AT_EMPTY_PATH) != nil {
		return folder
	}
	return ""
}

// openRoot opens the root directory of a process, or of this one for 0.
func openRoot(pid int) (*os.File, error) {
	path := "/"
	if pid != 0 {
		path = fmt.Sprintf("/proc/%d/root", pid)
	}
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
