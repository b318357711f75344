package listen

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Pending reports whether a connection waits, without waiting and without accepting.
// A listener that was shut down looks as if one did.
func (s *Socket) Pending() bool {
	events := polled(s.fd)
	return events&unix.POLLIN != 0 && events&shutEvents == 0
}

// shutEvents tell that a listener was shut down: clients are refused. On a unix
// socket shutdown(2) for reading alone does that, and shows as POLLRDHUP.
const shutEvents = unix.POLLHUP | unix.POLLRDHUP | unix.POLLERR

func polled(fd int) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	if n, err := unix.Poll(fds, 0); err != nil || n != 1 {
		return 0
	}
	return fds[0].Revents
}

// Shut reports whether some process has called shutdown(2) on the listener: from
// then on clients are refused, although all who have it keep it.
func (s *Socket) Shut() bool { return polled(s.fd)&shutEvents != 0 }

// Lost says why clients do not find a socket file that we made; ours is false for
// any other socket.
func (s *Socket) Lost() (ours bool, err error) {
	if s.bound == nil {
		return false, nil
	}
	var st unix.Stat_t
	switch err := unix.Lstat(s.bound.Path, &st); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return true, fmt.Errorf("the socket file %s was deleted", s.bound.Path)
	case err != nil:
		return true, nil // it may be there
	case st.Dev != s.bound.Dev || st.Ino != s.bound.Ino:
		return true, fmt.Errorf("another file is at the path of the socket, %s", s.bound.Path)
	}
	return true, nil
}

// ErrInherited is for what only systemd can make again.
var ErrInherited = errors.New("the socket is systemd's")

// Renew has clients reach the socket again. A TCP socket is told to listen again,
// and is the one that its workers have. A unix socket that was shut down stays so:
// a fresh one takes its path and its descriptor, and workers that have the former
// keep that. What has taken the path meanwhile keeps it, if it is in use.
func (s *Socket) Renew(opt fcgisup.Socket) error {
	if s.Listener().Network() == "tcp" {
		if err := unix.Listen(s.fd, opt.Backlog); err != nil {
			return fmt.Errorf("cannot listen again: %w", err)
		}
		return nil
	}
	if s.bound == nil {
		return ErrInherited
	}
	path := s.bound.Path
	if err := s.unlink(); err != nil {
		return err
	}
	fresh, err := listenUnix(path, opt, findNow)
	if err != nil {
		s.bound = &BoundFile{Path: path} // which no file is
		return fmt.Errorf("cannot make the socket again: %w", err)
	}
	return s.become(fresh)
}

// become has our descriptor be another socket.
func (s *Socket) become(fresh *Socket) error {
	defer fresh.file.Close()
	if err := unix.Dup3(fresh.fd, s.fd, unix.O_CLOEXEC); err != nil {
		return errors.Join(fmt.Errorf("cannot take the fresh socket: %w", err), fresh.unlink(), fresh.Listener().Close())
	}
	l, err := scoreboard.Open(s.fd)
	if err != nil { // it was observed a moment ago
		return errors.Join(err, fresh.Listener().Close())
	}
	s.bound = fresh.bound
	s.former = append(s.former, s.current.Swap(l))
	return fresh.Listener().Close()
}
