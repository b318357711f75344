package worker

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/prefork"
)

// birthTimeout bounds the wait for a fork, in which the instance does nothing else. A template that takes longer is of
// no use.
const birthTimeout = 3 * time.Second

// maxMessages bounds what is read of a program: it has two to say, and each of its children that accepts has one.
const maxMessages = 64

// Template is a process that may become, or is, the one that workers are forked from.
type Template interface {
	// Inspect returns why the program of a process, which is at its first accept, must not be forked; empty: nothing is
	// known to be wrong.
	Inspect(pid int, allow []string) string
	// Keep makes it the template: from now on it only forks. Serve has it accept as a worker instead.
	Keep() error
	Serve()
	// Fork is [Starter.Spawn] by the template.
	Fork(line func(string), gone func(Exit, bool)) (Process, error)
	// Changed reports whether the files that it was started from have changed, or cannot be read.
	Changed() bool
	// Close ends the conversation: a template ends, another process serves.
	Close()
}

// Modules is where the Perl module is, for all instances.
type Modules struct {
	mu  sync.Mutex
	Dir string
	// made is set if dir is a directory for temporary files, for want of a better one.
	made bool
}

// install writes the module, each time: what cleans up temporary files may have been there.
func (m *Modules) install() (dir string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Dir == "" {
		dir, err := os.MkdirTemp("", "fcgisup-prefork")
		if err == nil {
			err = os.Chmod(dir, 0o755) // it is the workers' user who reads it
		}
		if err != nil {
			return "", fmt.Errorf("cannot make a directory for the Perl module: %w", err)
		}
		m.Dir, m.made = dir, true
	}
	return m.Dir, prefork.Install(m.Dir)
}

// Remove leaves no directory behind that we have made.
func (m *Modules) Remove() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made {
		_ = os.RemoveAll(m.Dir)
		m.Dir, m.made = "", false
	}
}

// realTemplate is one of a Starter.
type realTemplate struct {
	host  *Starter
	conn  *prefork.Conn
	group *group
	// before is the program as it was right before it was started.
	before Program
}

// ErrNoTemplate is why no program can become a template here.
var ErrNoTemplate = errors.New("the supervisor is not the parent of processes that have lost theirs")

// Load is Spawn for a process that may become a template; said is called for each message of its program, and must
// not block. Where no process can, it fails before there is one.
func (h *Starter) Load(l Launch, line func(string), gone func(Exit, bool), said func(prefork.Message)) (Process, Template, error) {
	if !h.Spawner.everybody { // PID 1 or a subreaper
		return nil, nil, ErrNoTemplate
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
	t := &realTemplate{host: h, conn: ours, before: ReadProgram(l)}
	t.group, err = h.exec(l, env, more, line, gone)
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, nil, errors.Join(err, ours.Close())
	}
	go func() {
		for range maxMessages {
			m, err := ours.Receive()
			if err != nil {
				return
			}
			said(m)
		}
	}()
	return t.group, t, nil
}

func (t *realTemplate) Inspect(pid int, allow []string) string {
	members, err := t.group.groups.Members(t.group.leader)
	if err != nil {
		return err.Error()
	}
	if group, err := unix.Getpgid(pid); err != nil || group != t.group.leader || !slices.Contains(members, pid) {
		return fmt.Sprintf("process %d, which accepts, has left the process group that it was started in", pid)
	}
	p, err := t.conn.Inspect(pid, t.group.listener.Inode())
	if err != nil {
		return err.Error()
	}
	return p.Obstacle(allow)
}

func (t *realTemplate) Keep() error { return t.conn.Keep() }

func (t *realTemplate) Serve() {
	_ = t.conn.Serve() // one that does not hear it is told by the end of the conversation
	t.Close()
}

func (t *realTemplate) Close() { _ = t.conn.Close() }

func (t *realTemplate) Changed() bool {
	now, err := t.group.reads.program.Read(readTimeout, 0, func() (Program, error) { return ReadProgram(t.group.launch), nil })
	if err != nil {
		return true
	}
	_, differs := now.ChangedSince(t.before)
	return differs
}

func (t *realTemplate) Fork(line func(string), gone func(Exit, bool)) (Process, error) {
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
