package worker

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Starter starts the workers of one socket.
type Starter struct {
	Socket  *listen.Socket
	Spawner *Spawner
	Groups  *scoreboard.Groups
	// Conduct is what is known of the socket's connections.
	Conduct *scoreboard.Conduct
	// Output is shared by the workers of all sockets, Modules, too.
	Output  *OutputShare
	Modules *Modules
	// Mark is the variable that workers are recognised by.
	Mark string

	fatal fatalSignals
}

// Spawn starts a worker with the listener as fd 0 and its output on a pipe of its own.
func (h *Starter) Spawn(l Launch, line func(string), gone func(Exit, bool)) (Process, error) {
	g, err := h.exec(l, l.Env, nil, line, gone)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// exec is spawn with another environment, and more descriptors from 3 on.
func (h *Starter) exec(l Launch, env []string, more []uintptr, line func(string), gone func(Exit, bool)) (*group, error) {
	// A Go worker makes the shared description non-blocking for everybody, and it
	// stays so after that worker: libfcgi would exit 0 at once.
	if err := h.Socket.Listener().SetBlocking(); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the worker's output: %w", err)
	}
	attr := &syscall.ProcAttr{
		Dir:   l.Dir,
		Env:   append(slices.Clip(env), h.Mark),
		Files: append([]uintptr{uintptr(h.Socket.FD()), w.Fd(), w.Fd()}, more...),
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if l.Switch {
		attr.Sys.Credential = credential(l)
	}
	how := &sentSignal{}
	pid, err := h.Spawner.start(l.Argv, attr, func(e Exit, left bool) {
		h.fatal.learn(how, e)
		gone(e, left)
	})
	if why := l.obstacle(err); why != "" {
		err = fmt.Errorf("%w: %s", err, why)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	g := h.group(pid, l)
	g.sent = how
	g.follow(r, h.Output, line)
	h.Spawner.setGroup(g)
	return g, nil
}

// Program returns the state of the files that a worker is started from.
func (h *Starter) Program(l Launch) Program { return ReadProgram(l) }

// group is that of a worker that has the listener as it is now.
func (h *Starter) group(leader int, l Launch) *group {
	h.Groups.Track(leader, h.Socket.Listener().Inode())
	return &group{leader: leader, spawner: h.Spawner, groups: h.Groups, socket: h.Socket, listener: h.Socket.Listener(), conduct: h.Conduct, tail: &tail{}, ended: make(chan struct{}), reads: newSlowReads(), launch: l, fatal: &h.fatal, sent: &sentSignal{}}
}

// Adopt is spawn for a worker that runs already: one of this very program, if a
// handover has failed, or of the one before. Output is the descriptor of its output, -1 if that is closed.
func (h *Starter) Adopt(pid, output int, lines []string, line func(string), gone func(Exit, bool)) Process {
	g := h.Spawner.group(pid)
	if g == nil {
		g = h.group(pid, Launch{})
		g.fatal, g.sent, g.tail = nil, nil, tailOf(lines)
		if output >= 0 {
			g.follow(os.NewFile(uintptr(output), "output"), h.Output, line)
		}
	}
	h.Spawner.adopt(g, gone)
	return g
}

func credential(l Launch) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(l.UID), Gid: uint32(l.GID)}
	for _, id := range l.Groups {
		c.Groups = append(c.Groups, uint32(id))
	}
	return c
}
