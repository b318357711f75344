package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Process is a worker as its instance sees it: a process group, and what has left it with the listener.
type Process interface {
	// PID is the leader's, and the group's.
	PID() int
	// Signal goes to the whole group, and wakes it if it is stopped.
	Signal(syscall.Signal) error
	// Observe says what the group is doing about the listener.
	Observe() Observation
	// Accepts reports whether some thread of it would take the next connection; true
	// where that cannot be known.
	Accepts() bool
	// Release signals the group at a moment when it holds no connection; false
	// when ctx ended before there was one. See gate.go.
	Release(ctx context.Context, sig syscall.Signal) bool
	// Lines are the last that it wrote, for a process that has ended.
	Lines() []string
	// Outdated reports whether the worker has a listener that the instance has
	// replaced since.
	Outdated() bool
	// Resting are the connections from which the worker waits to read.
	Resting() map[scoreboard.Inode]bool
	// Suspended reports whether a signal has stopped all of it; a debugger does not count.
	Suspended() bool
	// Sleeps reports whether all of its threads wait for something else than a core or a disk.
	Sleeps() bool
	// Evidence is what the kernel says of each of its processes, for people.
	Evidence() []string
	// Listening are the addresses that its processes listen on, the instance's socket
	// aside, and the names of the processes.
	Listening() (addresses, names []string)
	// Memory is that of the whole group in bytes.
	Memory() (uint64, scoreboard.MemoryKind, error)
}

// Observation is what the kernel says a worker is doing.
type Observation struct {
	// Accepting: some thread would take the next connection.
	Accepting bool
	// Polling: some thread waits for descriptors that cannot be told.
	Polling bool
	// Held counts accepted connections whose client is there, orphans those whose client has gone.
	Held, Orphans int
	// Unknown is why the above may be short of the truth; empty when it is not.
	Unknown string
	// Blocked: unknown is so for the moment, because processes could not be listed, or a read about one has not ended in time.
	Blocked bool
}

// HasAccepted reports whether the worker has accepted at least once.
func (l Observation) HasAccepted() bool { return l.Held+l.Orphans > 0 }

// group is a worker's process group.
type group struct {
	leader  int
	spawner *Spawner
	groups  *scoreboard.Groups
	socket  *listen.Socket
	// listener is what the socket was when the worker began.
	listener *scoreboard.Listener
	// conduct is the instance's; nil: nothing is known.
	conduct *scoreboard.Conduct
	tail    *tail
	// pipe is where its output comes from.
	pipe *os.File
	// silent is closed at the end of it, ended when the worker has come to its own.
	silent, ended chan struct{}
	ending        sync.Once
	reads         *slowReads
	// launch is how it was started, fatal is shared with the workers of the same socket, sent is this worker's; all unset for one of a predecessor.
	launch Launch
	fatal  *fatalSignals
	sent   *sentSignal
}

func (g *group) PID() int { return g.leader }

// outputTimeout bounds the wait for the end of an ended worker's output: a process
// that has left the group may hold the pipe for ever.
const outputTimeout = 20 * time.Millisecond

func (g *group) Lines() []string {
	g.ending.Do(func() { close(g.ended) })
	if g.silent != nil {
		select {
		case <-g.silent:
		case <-time.After(outputTimeout):
		}
	}
	return g.tail.Lines()
}

func (g *group) Signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		g.stopOutside()
	}
	err := g.signalAll(sig)
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP {
		return err
	}
	return errors.Join(err, g.signalAll(syscall.SIGCONT))
}

func (g *group) Observe() Observation {
	var l Observation
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		l.Unknown, l.Blocked = err.Error(), true
		return l
	}
	l = g.observeThreads(pids)
	held, err := g.holding(pids)
	if err != nil {
		l.Unknown = err.Error()
	}
	for _, c := range held {
		if c.Gone {
			l.Orphans++
		} else {
			l.Held++
		}
	}
	return l
}

// observeThreads asks what the threads are doing.
func (g *group) observeThreads(pids []int) Observation {
	l, err := g.reads.threads.Read(readTimeout, 0, func() (Observation, error) {
		var l Observation
		l.addThreads(pids, g.listener.Inode())
		return l, nil
	})
	if err != nil {
		l.Unknown, l.Blocked = err.Error(), errors.Is(err, scoreboard.ErrBlocked)
	}
	return l
}

func (l *Observation) addThreads(pids []int, listener scoreboard.Inode) {
	for _, pid := range pids {
		a, err := scoreboard.Accepting(pid, listener)
		switch {
		case err != nil: // it has ended meanwhile
		case a.State == scoreboard.InAccept:
			l.Accepting = true
		case a.State == scoreboard.Polling:
			l.Polling = true
		case a.State == scoreboard.Unknown:
			l.Unknown = a.Reason
		}
	}
}

func (g *group) Accepts() bool {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return true
	}
	l := g.observeThreads(pids)
	return l.Accepting || l.Unknown != ""
}

func (g *group) Outdated() bool { return g.listener != g.socket.Listener() }

func (g *group) Resting() map[scoreboard.Inode]bool {
	pids, _ := g.groups.Members(g.leader) // none rests in a group that cannot be read
	all, _ := g.reads.resting.Read(readTimeout, 0, func() (map[scoreboard.Inode]bool, error) {
		all := map[scoreboard.Inode]bool{}
		for _, pid := range pids {
			inodes, err := scoreboard.Reading(pid)
			if err != nil {
				continue
			}
			for _, inode := range inodes {
				all[inode] = true
			}
		}
		return all, nil
	})
	return all
}

func (g *group) Suspended() bool {
	pids, err := g.groups.Members(g.leader)
	return err == nil && len(pids) > 0 && !slices.ContainsFunc(pids, func(pid int) bool {
		s, err := scoreboard.ReadStat(pid)
		return err != nil || s.State != 'T'
	})
}

func (g *group) Sleeps() bool {
	pids, err := g.groups.Members(g.leader)
	return err == nil && len(pids) > 0 && !slices.ContainsFunc(pids, func(pid int) bool { return !scoreboard.Sleeps(pid) })
}

func (g *group) Evidence() []string {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return []string{err.Error()}
	}
	lines, err := g.reads.details.Read(evidenceTimeout, 0, func() ([]string, error) {
		return evidenceOf(pids, func(pid int) []string { return describeEvidence(scoreboard.Gather(pid)) }), nil
	})
	if err == nil {
		return lines
	}
	lines = evidenceOf(pids, func(pid int) []string { // what can be read in any case
		if s, err := scoreboard.ReadStat(pid); err == nil {
			return []string{fmt.Sprintf("process %d (%s) state %c", pid, s.Command, s.State)}
		}
		return nil
	})
	return control.ShownLines(append(lines, err.Error()))
}

// evidenceOf asks about no more processes than are shown: a worker may have thousands.
func evidenceOf(pids []int, ask func(pid int) []string) []string {
	var lines []string
	for n, pid := range pids {
		next := ask(pid)
		if n > 0 && len(lines)+len(next) >= control.MaxFailureLines {
			lines = append(lines, fmt.Sprintf("… %d more processes", len(pids)-n))
			break
		}
		lines = append(lines, next...)
	}
	return control.ShownLines(lines)
}

// describeEvidence is a process in a line, and each of its threads in another.
func describeEvidence(e scoreboard.Evidence) []string {
	lines := []string{fmt.Sprintf("process %d (%s) state %c, sockets %s", e.Stat.PID, e.Stat.Command, e.Stat.State, strings.Join(e.Sockets, ", "))}
	for _, t := range e.Threads {
		line := fmt.Sprintf("thread %d state %c wchan %s syscall %s", t.TID, t.State, t.Wchan, t.Syscall)
		if t.Stack != "" {
			line += " stack " + strings.Join(strings.Fields(t.Stack), " ")
		}
		lines = append(lines, line)
	}
	return append(lines, e.Missing...)
}

func (g *group) Memory() (uint64, scoreboard.MemoryKind, error) {
	w, err := g.reads.memory.Read(readTimeout, memoryAge, g.sumMemory)
	return w.bytes, w.kind, err
}

// groupMemory is the memory of a group.
type groupMemory struct {
	bytes uint64
	kind  scoreboard.MemoryKind
}

func (g *group) sumMemory() (groupMemory, error) {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return groupMemory{}, err
	}
	w := groupMemory{kind: scoreboard.PSS}
	for _, pid := range pids {
		n, k, err := scoreboard.Memory(pid)
		if errors.Is(err, scoreboard.ErrGone) {
			continue
		}
		if err != nil {
			return groupMemory{}, err
		}
		w.bytes += n
		if k == scoreboard.RSS {
			w.kind = k // the sum is no better than its worst part
		}
	}
	return w, nil
}

// holding are the accepted connections that these processes have open, less those
// that have been answered and that only inheritors hold.
func (g *group) holding(pids []int) ([]scoreboard.Conn, error) {
	return g.held(pids, func(_ scoreboard.Conn, answered, _ bool) bool { return !answered })
}

// serving are the connections that a stop would cut: not those that are kept for
// later, nor those that have been answered and whose client knows or has gone.
func (g *group) serving(pids []int) ([]scoreboard.Conn, error) {
	return g.held(pids, func(c scoreboard.Conn, answered, kept bool) bool {
		return !kept && !(answered && (c.Gone || c.Shut))
	})
}

// held are the accepted connections that these processes have open and that count.
func (g *group) held(pids []int, counts func(c scoreboard.Conn, answered, kept bool) bool) ([]scoreboard.Conn, error) {
	conns, err := g.listener.Accepted()
	if err != nil {
		return nil, err
	}
	by := scoreboard.Holds(pids, conns)
	var answered, kept map[scoreboard.Inode]bool
	if g.conduct != nil && len(by.By) > 0 {
		answered, kept = g.conduct.Of(g.listener.Inode(), scoreboard.Group{Leader: g.leader, PIDs: pids}, conns, by)
	}
	var held []scoreboard.Conn
	for _, c := range conns {
		if len(by.By[c.Inode]) > 0 && counts(c, answered[c.Inode], kept[c.Inode]) {
			held = append(held, c)
		}
	}
	for pid, err := range by.Unreadable {
		return held, fmt.Errorf("cannot read the descriptors of process %d: %w", pid, err)
	}
	foreign, err := g.listener.Foreign(pids)
	if len(foreign) > 0 {
		g.socket.NoteForeign()
	}
	return append(held, foreign...), err
}

// follow passes the group's output on, to its end.
func (g *group) follow(r *os.File, share *OutputShare, line func(string)) {
	g.pipe, g.silent = r, make(chan struct{})
	prefix := strconv.Itoa(g.leader) + ": "
	p := share.pacer(g.ended, func(text string) { line(prefix + text) })
	go func() {
		defer close(g.silent)
		defer p.reportDropped()
		defer r.Close()
		follow(r, func(text []byte) {
			now := time.Now()
			g.tail.add(text)
			if p.pass(now, len(text)) {
				line(prefix + fcgisup.Printable(string(text)))
			}
			p.wait(now, len(text))
		})
	}()
}

// HandOver is what a successor needs: the descriptor of the output, -1 if it is closed, and the last lines.
func (g *group) HandOver() (output int, lines []string) { return g.output(), g.tail.Lines() }

// output is the descriptor of the group's output, for a successor; -1 if it is closed.
func (g *group) output() int {
	fd := -1
	if g.pipe == nil {
		return fd
	}
	if raw, err := g.pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(p uintptr) { fd = int(p) })
	}
	return fd
}
