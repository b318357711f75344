package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// credentials are whom the kernel takes a thread for.
type credentials struct {
	uid, gid int
	groups   []int
}

// as runs a function with other credentials. In Linux a thread has its own:
// the C library alone makes those of a process one. So this takes a thread that
// no other code runs on and that ends with it, and needs neither a second
// process nor that the user may execute this program. Root alone may.
func as(who credentials, do func()) error {
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
func (c credentials) become() error {
	groups := make([]uint32, len(c.groups)+1) // one more, to have an address
	for i, g := range c.groups {
		groups[i] = uint32(g)
	}
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(c.groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_SETRESGID, uintptr(c.gid), uintptr(c.gid), uintptr(c.gid))
	}
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_SETRESUID, uintptr(c.uid), uintptr(c.uid), uintptr(c.uid))
	}
	if e != 0 {
		return fmt.Errorf("cannot become user %d: %w", c.uid, e)
	}
	return nil
}

// lookup finds a user's credentials as initgroups(3) does; an empty group is the user's own.
func lookup(name, group string) (credentials, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return credentials{}, err
	}
	c := credentials{}
	if c.uid, err = fcgisup.ParseID(u.Uid); err != nil {
		return c, err
	}
	if c.gid, err = fcgisup.ParseID(u.Gid); err != nil {
		return c, err
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return c, err
		}
		if c.gid, err = fcgisup.ParseID(g.Gid); err != nil {
			return c, err
		}
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
		c.groups = append(c.groups, n)
	}
	return c, nil
}

// access is what a connect(2) to a socket file, or an open(2), would meet.
type access struct {
	// denied is the file or the folder that refuses, empty if none does.
	denied string
	// mode is its permissions and owner.
	mode string
	// missing tells that there is no such file where nginx looks.
	missing bool
	// hidden tells that the file is missing there only.
	hidden bool
}

// tryConnect asks what connect(2) asks of a unix socket, unix(7) "Pathname
// socket ownership and permissions", without connecting: search permission on
// the folders and write permission on the file. The root is that of the process
// whose mount namespace counts.
func tryConnect(root int, path string) (access, error) { return tryAccess(root, path, unix.W_OK) }

// tryAccess asks for a permission on a file, access(2), and for search
// permission on its folders.
func tryAccess(root int, path string, permission uint32) (access, error) {
	fd, err := openIn(root, path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return access{missing: true}, nil
	case errors.Is(err, unix.EACCES):
		return access{denied: firstClosed(root, filepath.Dir(path))}, nil
	case err != nil:
		return access{}, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	defer unix.Close(fd)
	err = unix.Faccessat(fd, "", permission, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EACCES) {
		return access{denied: path}, nil
	}
	if err != nil && !errors.Is(err, unix.EROFS) {
		return access{}, fmt.Errorf("cannot ask for permission on %s: %w", path, err)
	}
	return access{}, nil
}

func openIn(root int, path string) (int, error) {
	return unix.Openat2(root, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
}

// firstClosed is the folder that may not be searched, the one nearest to the root.
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

// rootOf opens the root directory of a process, or of this one for 0.
func rootOf(pid int) (*os.File, error) {
	path := "/"
	if pid != 0 {
		path = fmt.Sprintf("/proc/%d/root", pid)
	}
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
