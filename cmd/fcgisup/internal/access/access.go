package access

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

// Credentials are whom the kernel takes a thread for.
type Credentials struct {
	UID, GID int
	Groups   []int
}

// As runs a function with other credentials. In Linux a thread has its own:
// the C library alone makes those of a process one. So this takes a thread that
// no other code runs on and that ends with it, and needs neither a second
// process nor that the user may execute this program. Root alone may.
func As(who Credentials, do func()) error {
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

// Lookup finds a user's credentials as initgroups(3) does; an empty group is the user's own.
func Lookup(name, group string) (Credentials, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{}
	if c.UID, err = fcgisup.ParseID(u.Uid); err != nil {
		return c, err
	}
	if c.GID, err = fcgisup.ParseID(u.Gid); err != nil {
		return c, err
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return c, err
		}
		if c.GID, err = fcgisup.ParseID(g.Gid); err != nil {
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
		c.Groups = append(c.Groups, n)
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

// TryConnect asks what connect(2) asks of a unix socket, unix(7) "Pathname
// socket ownership and permissions", without connecting: search permission on
// the directories and write permission on the file. The root is that of the process
// whose mount namespace counts.
func TryConnect(root int, path string) (Result, error) { return Try(root, path, unix.W_OK) }

// Try asks for a permission on a file, access(2), and for search
// permission on its directories.
func Try(root int, path string, permission uint32) (Result, error) {
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

// Root opens the root directory of a process, or of this one for 0.
func Root(pid int) (*os.File, error) {
	path := "/"
	if pid != 0 {
		path = fmt.Sprintf("/proc/%d/root", pid)
	}
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
