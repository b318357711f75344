package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// clearStale removes a socket file that nobody listens on. The kernel's list of
// listeners tells first, since a connection would wake an instance that sleeps; it
// does not show those of another network namespace, so before a file is removed a
// connection tells, too. It is closed at once.
func clearStale(path string, known finder) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("the path is taken by a file that is no socket")
	}
	if l, err := known(path, time.Unix(st.Ctim.Unix())); err == nil {
		return errors.Join(fmt.Errorf("the socket is in use by %s", holder(l.Inode())), l.Close())
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case err == nil:
		return fmt.Errorf("the socket is in use by %s", peer(fd))
	case errors.Is(err, unix.EAGAIN):
		return errors.New("the socket is in use by another process, and its queue is full")
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
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
			return describe(pid)
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
	return describe(int(cred.Pid))
}

func describe(pid int) string {
	text := "process " + strconv.Itoa(pid)
	if stat, err := scoreboard.ReadStat(pid); err == nil {
		text += " (" + stat.Command + ")"
	}
	dir, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return text
	}
	uid := strconv.Itoa(int(dir.Sys().(*syscall.Stat_t).Uid))
	if u, err := user.LookupId(uid); err == nil {
		return text + " of user " + u.Username
	}
	return text + " of user " + uid
}
