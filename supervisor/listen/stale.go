package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// errInUse says that a process listens on a socket.
var errInUse = errors.New("the socket is in use")

// RemoveStale removes a socket file that no process listens on. One that is
// missing, in use or not a socket is left alone.
func RemoveStale(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockPath(path)
	if err != nil {
		return err
	}
	defer lock.Remove()
	if err := clearStale(path, findNow); err != nil && !errors.Is(err, errInUse) && !errors.Is(err, errNotSocket) {
		return err
	}
	return nil
}

var errNotSocket = errors.New("the path is taken by a file that is not a socket")

// clearStale removes a socket file that no process listens on. The kernel's list of
// listeners tells first, since a connection would wake an instance that sleeps; it
// does not show those of another network namespace, so before a file is removed a
// connection tells, too. It is closed at once.
func clearStale(path string, known finder) error {
	e, err := openEntry(path)
	if err != nil {
		return err
	}
	defer e.close()
	f, st, err := e.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errNotSocket
	}
	if l, err := known(path, time.Unix(st.Ctim.Unix())); err == nil {
		return errors.Join(fmt.Errorf("%w by %s", errInUse, holder(l.Inode())), l.Close())
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: through(f)}); {
	case err == nil:
		return fmt.Errorf("%w by %s", errInUse, peer(fd))
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w by another process, and its queue is full", errInUse)
	case errors.Is(err, unix.ECONNREFUSED):
		return e.remove(st.Dev, st.Ino)
	default:
		return os.NewSyscallError("connect", err)
	}
}

// finder finds who listens on a file that is as it is since then.
type finder func(path string, since time.Time) (*scoreboard.Listener, error)

func findNow(path string, _ time.Time) (*scoreboard.Listener, error) {
	return scoreboard.Find("unix", path)
}

// clockStep is by how much the time of a file may lag.
const clockStep = 100 * time.Millisecond

// findListed goes by one list of all listeners, unless the file is younger.
func findListed() finder {
	survey, begun := scoreboard.NewSurvey(), time.Now()
	return func(path string, since time.Time) (*scoreboard.Listener, error) {
		if since.After(begun.Add(-clockStep)) {
			return findNow(path, since)
		}
		return survey.Find("unix", path)
	}
}

// holder names the first process that has the socket open, as far as we may see.
func holder(inode scoreboard.Inode) string {
	pids, _ := scoreboard.Processes() // without, it stays another process
	for _, pid := range pids {
		if len(scoreboard.Holds([]int{pid}, []scoreboard.Conn{{Inode: inode}}).By) > 0 {
			return DescribeProcess(pid)
		}
	}
	return "another process"
}

// peer names who called listen(2) on the other side, SO_PEERCRED in unix(7).
func peer(fd int) string {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Pid == 0 {
		return "another process"
	}
	return DescribeProcess(int(cred.Pid))
}

// DescribeProcess names a process with its program and its user, as far as we may see.
func DescribeProcess(pid int) string {
	text := "process " + strconv.Itoa(pid)
	if stat, err := scoreboard.ReadStat(pid); err == nil {
		text += " (" + stat.Command + ")"
	}
	dir, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return text
	}
	return text + " of user " + fcgisup.UserName(int(dir.Sys().(*syscall.Stat_t).Uid))
}
