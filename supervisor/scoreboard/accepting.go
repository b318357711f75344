package scoreboard

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// State is what a process is doing about a listener.
type State string

// The states of [Accepting].
const (
	// InAccept: a thread is blocked in accept(2) on the listener, or polls a set
	// of descriptors with the listener in it.
	InAccept State = "accepting"
	// Polling: a thread waits for descriptors, and which ones is not to be told.
	Polling State = "polling"
	// Other: every thread does something else, or the process is stopped or dead.
	Other State = "other"
	// Unknown: it could not be read.
	Unknown State = "unknown"
)

// Acceptance is the answer of [Accepting].
type Acceptance struct {
	State State
	// Thread is the thread that decided the state; 0 for Other.
	Thread int
	// Reason is a clause for people: the call, or why nothing is known.
	Reason string
}

// rank orders the states: what one thread is ready to do, the process is.
func (s State) rank() int {
	switch s {
	case InAccept:
		return 3
	case Polling:
		return 2
	case Unknown:
		return 1
	case Other:
	}
	return 0
}

// Accepting reports whether any thread of the process would take the next
// connection of the listener now. The error wraps [ErrGone] when there is no such
// process; everything else that cannot be read is the State Unknown with its
// reason. Ptrace access is needed (an own child of the same user, Yama's
// ptrace_scope below 2); without it /proc/PID/wchan tells accepting and polling
// from the rest, but not on which descriptor, hence Polling.
func Accepting(pid int, listener Inode) (Acceptance, error) {
	s, err := ReadStat(pid)
	if err != nil {
		return Acceptance{State: Unknown, Reason: err.Error()}, err
	}
	if s.asleep() {
		// A stopped thread still shows the call it will go back to.
		return Acceptance{State: Other, Reason: "process state " + string(s.State)}, nil
	}
	best := Acceptance{State: Other, Reason: "no thread waits for a connection"}
	err = eachThread(s, func(t thread) bool {
		if a := t.acceptance(listener); a.State.rank() > best.State.rank() {
			a.Thread = t.tid
			best = a
		}
		return best.State != InAccept
	})
	if err != nil {
		return Acceptance{State: Unknown, Reason: err.Error()}, err
	}
	return best, nil
}

// asleep reports whether nothing in the process runs: it is dead, or stopped as far
// as its first thread shows.
func (s Stat) asleep() bool { return !s.Alive() || s.State != 'Z' && s.halted() }

// Reading lists the sockets from which a thread of the process is blocked reading
// (read, readv, recv…, or a poll for that socket alone): the worker has nothing to
// do there until the client sends. That is a kept-alive connection at rest or an
// upload not finished, never a page being computed. An event loop reads nothing
// and blocks in its loop, so an empty list says nothing about it.
func Reading(pid int) ([]Inode, error) {
	s, err := ReadStat(pid)
	if err != nil || s.asleep() {
		return nil, err
	}
	var (
		list   []Inode
		failed error
	)
	err = eachThread(s, func(t thread) bool {
		inode, err := t.reads()
		if inode != 0 {
			list = append(list, inode)
		}
		if err != nil && !isGone(err) {
			failed = err
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("cannot tell what process %d reads: %w", pid, err)
	}
	return list, nil
}

// thread is one thread; the descriptors are the process's.
type thread struct{ pid, tid int }

func (t thread) dir() string { return threadDir(t.pid, t.tid) }

// eachThread visits the threads until visit returns false.
func eachThread(s Stat, visit func(thread) bool) error {
	if !visit(thread{s.PID, s.PID}) || s.Threads <= 1 {
		return nil
	}
	tids, err := numbersIn(procDir(s.PID) + "/task")
	if err != nil {
		return err
	}
	for _, tid := range tids {
		if tid != s.PID && !visit(thread{s.PID, tid}) {
			return nil
		}
	}
	return nil
}

type callKind int

const (
	otherCall callKind = iota
	acceptCall
	pollCall
	selectCall
	epollCall
	readCall
	ringCall
	restartCall
	strangeCall // of an architecture whose numbers we do not know
)

// call reads what the thread is blocked in.
func (t thread) call() (call, callKind, error) {
	var buf [256]byte
	b, err := readProc(t.dir()+"/syscall", buf[:])
	if err != nil {
		return call{}, 0, err
	}
	c, err := parseCall(b)
	switch {
	case err != nil:
		return call{}, 0, err
	case c.running, c.none:
		return c, otherCall, nil
	case ^uint(0)>>32 != 0 && c.stack < 1<<32:
		return c, strangeCall, nil // a 32-bit program: another table of numbers
	}
	kind := kindOf(c.number)
	if kind == restartCall {
		// poll(2) after SIGCONT; its arguments stay in their registers.
		kind = otherCall
		if w, err := t.wchan(); err == nil && strings.HasPrefix(w, "poll_schedule") {
			kind = pollCall
		}
	}
	return c, kind, nil
}

func (t thread) acceptance(listener Inode) Acceptance {
	c, kind, err := t.call()
	switch {
	case isGone(err):
		return Acceptance{State: Other}
	case err != nil:
		return t.byWchan(err)
	}
	switch kind {
	case acceptCall:
		return t.acceptOn(descriptor(c.args[0]), listener)
	case pollCall:
		return watched(t.pollSet(c, listener))("poll")
	case selectCall:
		return watched(t.selectSet(c, listener))("select")
	case epollCall:
		return watched(t.epollSet(descriptor(c.args[0]), listener))("epoll_wait")
	case ringCall:
		return Acceptance{State: Polling, Reason: "in io_uring_enter"}
	case strangeCall:
		return t.byWchan(fmt.Errorf("%w: call numbers of another architecture", ErrUnsupported))
	case otherCall, readCall, restartCall:
	}
	return Acceptance{State: Other}
}

func (t thread) acceptOn(fd int, listener Inode) Acceptance {
	inode, err := t.socket(fd)
	switch {
	case err != nil:
		return Acceptance{State: Polling, Reason: fmt.Sprintf("in accept on fd %d, which cannot be read: %v", fd, err)}
	case inode != listener:
		return Acceptance{State: Other}
	}
	return Acceptance{State: InAccept, Reason: fmt.Sprintf("in accept on fd %d", fd)}
}

// watched turns the outcome of a look into a set of descriptors into an answer.
func watched(found bool, err error) func(name string) Acceptance {
	return func(name string) Acceptance {
		switch {
		case err != nil:
			return Acceptance{State: Polling, Reason: fmt.Sprintf("in %s, for what cannot be read: %v", name, err)}
		case !found:
			return Acceptance{State: Other}
		}
		return Acceptance{State: InAccept, Reason: "in " + name + " with the listener"}
	}
}

// byWchan goes by the kernel function the thread sleeps in. The names differ
// between kernels; none of them is mistaken for more than Polling, since neither
// the descriptor nor (skb_wait) the very call is told.
func (t thread) byWchan(cause error) Acceptance {
	w, err := t.wchan()
	if err != nil {
		return Acceptance{State: Unknown, Reason: fmt.Sprintf("syscall: %v; wchan: %v", cause, err)}
	}
	for _, waits := range []string{
		"inet_csk_accept", "unix_accept", "__skb_wait_for_more_packets", "skb_wait_for_more_packets",
		"ep_poll", "do_epoll_wait", "poll_schedule_timeout", "do_sys_poll", "do_poll", "do_select", "do_pselect",
	} {
		if w == waits || strings.HasPrefix(w, waits+".") {
			return Acceptance{State: Polling, Reason: "asleep in " + w + "; its syscall cannot be read: " + cause.Error()}
		}
	}
	if w == "" || w == "0" {
		return Acceptance{State: Unknown, Reason: "syscall: " + cause.Error() + "; wchan tells nothing"}
	}
	return Acceptance{State: Other}
}

func (t thread) wchan() (string, error) {
	var buf [128]byte
	b, err := readProc(t.dir()+"/wchan", buf[:])
	return strings.TrimSpace(string(b)), err
}

// socket is the inode of a descriptor of the thread's process, 0 for no socket.
func (t thread) socket(fd int) (Inode, error) {
	inode, err := socketInode(unix.AT_FDCWD, t.dir()+"/fd/"+strconv.Itoa(fd))
	if errors.Is(err, unix.ENOENT) {
		return 0, nil // closed since
	}
	return inode, err
}

// reads is the socket from which the thread is blocked reading, else 0.
func (t thread) reads() (Inode, error) {
	c, kind, err := t.call()
	if err != nil {
		return 0, err
	}
	switch kind {
	case readCall:
		return t.socket(descriptor(c.args[0]))
	case pollCall:
		set, err := t.pollFDs(c)
		if err != nil || len(set) != 1 || !set[0].readable() {
			return 0, err
		}
		return t.socket(int(set[0].Fd))
	case otherCall, acceptCall, selectCall, epollCall, ringCall, restartCall, strangeCall:
	}
	return 0, nil
}

// descriptor is a call's int argument: the upper half of the register is noise.
func descriptor(arg uint64) int { return int(int32(arg)) }
