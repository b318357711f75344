package supervisor

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

// process is a worker as its instance sees it: a process group.
type process interface {
	// pid is the leader's, and the group's.
	pid() int
	// signal goes to the whole group, and wakes it if it is stopped.
	signal(syscall.Signal) error
	// look says what the group is doing about the listener.
	look() look
	// accepts tells whether some thread of it would take the next connection; true
	// where that cannot be known.
	accepts() bool
	// release signals the group at a moment when it holds no connection; false
	// when ctx ended before there was one. See gate.go.
	release(ctx context.Context, sig syscall.Signal) bool
	// lines are the last that it wrote, for a process that has ended.
	lines() []string
	// outdated reports whether the worker has a listener that the instance has
	// replaced since.
	outdated() bool
	// resting are the connections from which the worker waits to read.
	resting() map[scoreboard.Inode]bool
	// suspended tells whether a signal has stopped all of it; a debugger does not count.
	suspended() bool
	// sleeps reports whether all of its threads wait for something else than a core or a disk.
	sleeps() bool
	// evidence is what the kernel says of each of its processes, for people.
	evidence() []string
	// listening are the addresses that its processes listen on, the instance's socket
	// aside, and the names of the processes.
	listening() (addresses, names []string)
	// memory is that of the whole group in bytes.
	memory() (uint64, scoreboard.MemoryKind, error)
}

// look is what the kernel says a worker is doing.
type look struct {
	// accepting: some thread would take the next connection.
	accepting bool
	// polling: some thread waits for descriptors that cannot be told.
	polling bool
	// held counts accepted connections whose client is there, orphans those whose client has gone.
	held, orphans int
	// unknown is why the above may be short of the truth; empty when it is not.
	unknown string
	// blocked: unknown is so for the moment, because processes could not be listed, or a read about one has not ended in time.
	blocked bool
}

// took tells whether the worker has accepted at least once.
func (l look) took() bool { return l.held+l.orphans > 0 }

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
	asides        *asides
	// launch is how it was started, lethal the instance's, sent is this worker's; all unset for one of a predecessor.
	launch Launch
	lethal *lethalSignals
	sent   *sentSignal
}

func (g *group) pid() int { return g.leader }

// lastGasp bounds the wait for the end of an ended worker's output: a process
// that has left the group may hold the pipe for ever.
const lastGasp = 20 * time.Millisecond

func (g *group) lines() []string {
	g.ending.Do(func() { close(g.ended) })
	if g.silent != nil {
		select {
		case <-g.silent:
		case <-time.After(lastGasp):
		}
	}
	return g.tail.Lines()
}

func (g *group) signal(sig syscall.Signal) error {
	err := g.spawner.signal(g.leader, sig)
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP {
		return err
	}
	return errors.Join(err, g.spawner.signal(g.leader, syscall.SIGCONT))
}

func (g *group) look() look {
	var l look
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		l.unknown, l.blocked = err.Error(), true
		return l
	}
	l = g.lookAtThreads(pids)
	held, err := g.holding(pids)
	if err != nil {
		l.unknown = err.Error()
	}
	for _, c := range held {
		if c.Gone {
			l.orphans++
		} else {
			l.held++
		}
	}
	return l
}

// lookAtThreads asks what the threads are doing.
func (g *group) lookAtThreads(pids []int) look {
	l, err := g.asides.threads.Read(readTimeout, 0, func() (look, error) {
		var l look
		l.lookAtThreads(pids, g.listener.Inode())
		return l, nil
	})
	if err != nil {
		l.unknown, l.blocked = err.Error(), errors.Is(err, scoreboard.ErrBlocked)
	}
	return l
}

func (l *look) lookAtThreads(pids []int, listener scoreboard.Inode) {
	for _, pid := range pids {
		a, err := scoreboard.Accepting(pid, listener)
		switch {
		case err != nil: // it has ended meanwhile
		case a.State == scoreboard.InAccept:
			l.accepting = true
		case a.State == scoreboard.Polling:
			l.polling = true
		case a.State == scoreboard.Unknown:
			l.unknown = a.Reason
		}
	}
}

func (g *group) accepts() bool {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return true
	}
	l := g.lookAtThreads(pids)
	return l.accepting || l.unknown != ""
}

func (g *group) outdated() bool { return g.listener != g.socket.Listener() }

func (g *group) resting() map[scoreboard.Inode]bool {
	pids, _ := g.groups.Members(g.leader) // nobody rests in a group that cannot be read
	all, _ := g.asides.resting.Read(readTimeout, 0, func() (map[scoreboard.Inode]bool, error) {
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

func (g *group) suspended() bool {
	pids, err := g.groups.Members(g.leader)
	return err == nil && len(pids) > 0 && !slices.ContainsFunc(pids, func(pid int) bool {
		s, err := scoreboard.ReadStat(pid)
		return err != nil || s.State != 'T'
	})
}

func (g *group) sleeps() bool {
	pids, err := g.groups.Members(g.leader)
	return err == nil && len(pids) > 0 && !slices.ContainsFunc(pids, func(pid int) bool { return !scoreboard.Sleeps(pid) })
}

func (g *group) evidence() []string {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return []string{err.Error()}
	}
	lines, err := g.asides.details.Read(evidenceTimeout, 0, func() ([]string, error) {
		return evidenceOf(pids, func(pid int) []string { return testimony(scoreboard.Gather(pid)) }), nil
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

// testimony is a process in a line, and each of its threads in another.
func testimony(e scoreboard.Evidence) []string {
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

func (g *group) memory() (uint64, scoreboard.MemoryKind, error) {
	w, err := g.asides.memory.Read(readTimeout, memoryAge, g.weigh)
	return w.bytes, w.kind, err
}

// weight is the memory of a group.
type weight struct {
	bytes uint64
	kind  scoreboard.MemoryKind
}

func (g *group) weigh() (weight, error) {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return weight{}, err
	}
	w := weight{kind: scoreboard.PSS}
	for _, pid := range pids {
		n, k, err := scoreboard.Memory(pid)
		if errors.Is(err, scoreboard.ErrGone) {
			continue
		}
		if err != nil {
			return weight{}, err
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
func (g *group) follow(r *os.File, share *outputShare, line func(string)) {
	g.pipe, g.silent = r, make(chan struct{})
	prefix := strconv.Itoa(g.leader) + ": "
	p := share.pacer(g.ended, func(text string) { line(prefix + text) })
	go func() {
		defer close(g.silent)
		defer p.tell()
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

// handOver is what a successor needs: the descriptor of the output, -1 if it is closed, and the last lines.
func (g *group) handOver() (output int, lines []string) { return g.output(), g.tail.Lines() }

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
