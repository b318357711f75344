package supervisor

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// shut reports whether some process has called shutdown(2) on the listener: from
// then on clients are refused, although all who have it keep it.
func (s *Socket) shut() bool { return polled(s.fd)&shutEvents != 0 }

// lost says why clients do not find a socket file that we made; ours is false for
// any other socket.
func (s *Socket) lost() (ours bool, err error) {
	if s.bound == nil {
		return false, nil
	}
	var st unix.Stat_t
	switch err := unix.Lstat(s.bound.path, &st); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return true, fmt.Errorf("the socket file %s was deleted", s.bound.path)
	case err != nil:
		return true, nil // it may be there
	case st.Dev != s.bound.dev || st.Ino != s.bound.ino:
		return true, fmt.Errorf("another file is at the path of the socket, %s", s.bound.path)
	}
	return true, nil
}

// errInherited is for what only systemd can make again.
var errInherited = errors.New("the socket is systemd's")

// renew has clients reach the socket again. A TCP socket is told to listen again,
// and is the one that its workers have. A unix socket that was shut down stays so:
// a fresh one takes its path and its descriptor, and workers that have the former
// keep that. What has taken the path meanwhile keeps it, if it is in use.
func (s *Socket) renew(opt fcgisup.Socket) error {
	if s.listener().Network() == "tcp" {
		if err := unix.Listen(s.fd, opt.Backlog); err != nil {
			return fmt.Errorf("cannot listen again: %w", err)
		}
		return nil
	}
	if s.bound == nil {
		return errInherited
	}
	path := s.bound.path
	if err := s.unlink(); err != nil {
		return err
	}
	fresh, err := listenUnix(path, opt, findNow)
	if err != nil {
		s.bound = &bound{path: path} // which no file is
		return fmt.Errorf("cannot make the socket again: %w", err)
	}
	return s.become(fresh)
}

// become has our descriptor be another socket.
func (s *Socket) become(fresh *Socket) error {
	defer fresh.file.Close()
	if err := unix.Dup3(fresh.fd, s.fd, unix.O_CLOEXEC); err != nil {
		return errors.Join(fmt.Errorf("cannot take the fresh socket: %w", err), fresh.unlink(), fresh.listener().Close())
	}
	l, err := scoreboard.Open(s.fd)
	if err != nil { // it was observed a moment ago
		return errors.Join(err, fresh.listener().Close())
	}
	s.bound = fresh.bound
	s.former = append(s.former, s.current.Swap(l))
	return fresh.listener().Close()
}

const (
	// socketEvery is from one look at our socket file to the next, socketRetry from
	// one attempt to make it again to the next.
	socketEvery = 2 * time.Second
	socketRetry = 10 * time.Second
	// socketSoon is the pause while connections of a lost file still wait.
	socketSoon = 100 * time.Millisecond
)

// socketCare is what is known of the instance's own listener.
type socketCare struct {
	// at is when to look at it next; zero: when it tells, as one without a file does.
	at time.Time
	// broken is why clients are refused, shut that the reason is a shutdown(2).
	broken string
	shut   bool
	// moveAt is when to try again to replace workers that have a former listener.
	moveAt time.Time
}

func (i *instance) tickSocket(now time.Time) {
	if i.leaving || i.socket.at.IsZero() || now.Before(i.socket.at) {
		return
	}
	i.checkSocket(now)
}

// checkSocket looks whether clients reach the socket, and if not makes it again.
func (i *instance) checkSocket(now time.Time) {
	ours, why := i.host.lost()
	i.socket.shut = i.host.shut()
	i.socket.at = time.Time{}
	if ours {
		i.socket.at = now.Add(socketEvery)
	}
	switch {
	case i.socket.shut:
		why = errors.New("a process has called shutdown(2) on the listening socket")
	case why == nil:
		i.socketWorks(now)
		return
	case i.host.pending() && !i.ready():
		// They came before the file went, and the worker that starts is theirs.
		i.socket.at = now.Add(socketSoon)
		return
	}
	i.openQueue(now)
	err := i.host.renew()
	i.watching = false
	if err == nil {
		i.log.Warn("the listening socket was made again", "reason", why)
		i.failure = &control.Failure{At: now, Cause: control.ListenSocket, Detail: why.Error() + "; it was made again"}
		i.socket.shut, i.socket.moveAt = false, time.Time{}
		i.socketWorks(now)
		return
	}
	i.socket.at = now.Add(socketRetry)
	text := fmt.Sprintf("clients are refused: %s; %s", why, i.socketHint(err))
	if text != i.socket.broken {
		i.log.Error("the listening socket is broken", "reason", why, "error", i.socketHint(err))
		i.socket.broken = text
		i.failure = &control.Failure{At: now, Cause: control.ListenSocket, Detail: text}
	}
}

// socketHint says what helps.
func (i *instance) socketHint(err error) string {
	if errors.Is(err, errInherited) {
		return "systemctl restart " + i.opt.SocketUnit(i.in) + " makes it again"
	}
	return err.Error()
}

func (i *instance) socketWorks(now time.Time) {
	if i.socket.broken != "" {
		i.log.Info("the listening socket works again")
		i.socket.broken = ""
	}
	i.moveWorkers(now)
}

// outdated are the workers that have a former listener.
func (i *instance) outdated() []*slot {
	var old []*slot
	for _, s := range i.slots {
		if s.m.alive() && s.m.up && s.proc != nil && s.proc.outdated() {
			old = append(old, s)
		}
	}
	return old
}

// moveWorkers replaces those, as a restart would.
func (i *instance) moveWorkers(now time.Time) {
	old := i.outdated()
	if i.roll != nil || i.leaving || len(old) == 0 || now.Before(i.socket.moveAt) {
		return
	}
	i.socket.moveAt = now.Add(socketRetry)
	i.roll = &roll{cause: control.ListenSocket, launch: i.launch, todo: old, reply: make(chan error, 1)}
}
