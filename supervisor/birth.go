package supervisor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/prefork"
)

// birthTimeout bounds the wait for a fork, in which the instance does nothing else. A template that takes longer is of
// no use.
const birthTimeout = 3 * time.Second

// template is a process that may become, or is, the one that workers are forked from.
type template interface {
	// inspect returns why the program of a process, which is at its first accept, must not be forked; empty: nothing is
	// known to be wrong.
	inspect(pid int, allow []string) string
	// keep makes it the template: from now on it only forks. serve has it accept as a worker instead.
	keep() error
	serve()
	// fork is spawn.
	fork(line func(string), gone func(Exit, bool)) (process, error)
	// changed reports whether the files that it was started from are others now, or cannot be looked at.
	changed() bool
	// close ends the conversation: a template ends, another process serves.
	close()
}

// modules is where the Perl module is, for all instances.
type modules struct {
	mu  sync.Mutex
	dir string
	// made is set if dir is a directory for temporary files, for want of a better one.
	made bool
}

// install writes the module, each time: what cleans up temporary files may have been there.
func (m *modules) install() (dir string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dir == "" {
		dir, err := os.MkdirTemp("", "fcgisup-prefork")
		if err == nil {
			err = os.Chmod(dir, 0o755) // it is the workers' user who reads it
		}
		if err != nil {
			return "", fmt.Errorf("cannot make a directory for the Perl module: %w", err)
		}
		m.dir, m.made = dir, true
	}
	return m.dir, prefork.Install(m.dir)
}

// remove leaves no directory behind that we have made.
func (m *modules) remove() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made {
		_ = os.RemoveAll(m.dir)
		m.dir, m.made = "", false
	}
}

// realTemplate is one of a Starter.
type realTemplate struct {
	host  *Starter
	conn  *prefork.Conn
	group *group
	// before is the program as it was right before it was started.
	before program
}

// errNoTemplate is why no program can become a template here.
var errNoTemplate = errors.New("the supervisor is not the parent of processes that have lost theirs")

func (h *Starter) load(l Launch, line func(string), gone func(Exit, bool), said func(prefork.Message)) (process, template, error) {
	if !h.Spawner.everybody { // PID 1 or a subreaper
		return nil, nil, errNoTemplate
	}
	dir, err := h.Modules.install()
	if err != nil {
		return nil, nil, err
	}
	env, err := prefork.Environment(l.Env, dir)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs, err := prefork.Pair()
	if err != nil {
		return nil, nil, err
	}
	more := make([]uintptr, prefork.Descriptor-2)
	for n := range more {
		more[n] = ^uintptr(0) // closed
	}
	more[prefork.Descriptor-3] = theirs.Fd()
	t := &realTemplate{host: h, conn: ours, before: lookAtProgram(l)}
	t.group, err = h.exec(l, env, more, line, gone)
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, nil, errors.Join(err, ours.Close())
	}
	go func() {
		for {
			m, err := ours.Receive()
			if err != nil {
				return
			}
			said(m)
		}
	}()
	return t.group, t, nil
}

func (t *realTemplate) inspect(pid int, allow []string) string {
	members, err := t.group.groups.Members(t.group.leader)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(members, pid) {
		return fmt.Sprintf("process %d, which accepts, has left the process group that it was started in", pid)
	}
	p, err := t.conn.Inspect(pid, t.group.listener.Inode())
	if err != nil {
		return err.Error()
	}
	return p.Obstacle(allow)
}

func (t *realTemplate) keep() error { return t.conn.Keep() }

func (t *realTemplate) serve() {
	_ = t.conn.Serve() // one that does not hear it is told by the end of the conversation
	t.close()
}

func (t *realTemplate) close() { _ = t.conn.Close() }

func (t *realTemplate) changed() bool {
	now, err := t.group.asides.program.Read(readTimeout, 0, func() (program, error) { return lookAtProgram(t.group.launch), nil })
	if err != nil {
		return true
	}
	_, differs := now.since(t.before)
	return differs
}

func (t *realTemplate) fork(line func(string), gone func(Exit, bool)) (process, error) {
	h := t.host
	if err := t.group.listener.SetBlocking(); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the worker's output: %w", err)
	}
	birth, err := t.conn.Fork(os.Getpid(), w, birthTimeout)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	g := h.group(birth.PID, t.group.launch)
	if err := h.Spawner.take(g, gone); err != nil {
		birth.Drop()
		return nil, errors.Join(err, r.Close())
	}
	g.follow(r, h.Output, line)
	_ = birth.Begin() // one that has ended meanwhile is noticed like any other
	return g, nil
}
