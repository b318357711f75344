package worker

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// fatalSignals knows Go programs that the stop signal ends without a line of theirs being run, as it does net/http/fcgi: the
// runtime catches the signal, resets it and raises it again (os/signal, "Default behavior of signals in Go programs").
// That takes a moment after SIGCONT in which another thread may accept a connection, whose request is lost. Once one
// worker has died so, the next ones are killed while they are stopped, and accept nothing. Such a program sees no
// difference; one that handles the signal, cleans up and then raises it again dies the same way, and loses its clean-up.
type fatalSignals struct {
	mu    sync.Mutex
	known map[invocation]bool
}

// invocation is what may decide how a program takes a signal: its file, its arguments and its environment.
type invocation struct {
	device, inode uint64
	argv, env     string
	signal        syscall.Signal
}

// sentSignal is what release notes of a worker, and its exit is judged by.
type sentSignal struct {
	mu   sync.Mutex
	what invocation
	sent bool
}

// invocationOf returns what a process executes, if that is a Go program.
func invocationOf(pid int, l Launch) (invocation, bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return invocation{}, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return invocation{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if _, err := buildinfo.Read(f); err != nil || !ok {
		return invocation{}, false
	}
	return invocation{st.Dev, st.Ino, strings.Join(l.Argv, "\x00"), strings.Join(l.Env, "\x00"), l.StopSignal}, true
}

func (a *fatalSignals) has(v invocation) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[v]
}

// learn takes in how a worker ended.
func (a *fatalSignals) learn(e *sentSignal, exit Exit) {
	e.mu.Lock()
	what, sent := e.what, e.sent
	e.mu.Unlock()
	if !sent || !exit.Status.Signaled() || exit.Status.Signal() != what.signal {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) > 64 { // each reload may bring another environment
		a.known = map[invocation]bool{}
	}
	a.known[what] = true
}

// stopSignal is the signal that ends a worker which is stopped and holds no connection: its own, or SIGKILL where that
// makes no difference to the program.
func (g *group) stopSignal(pids []int, what invocation, isGo bool, sig syscall.Signal) syscall.Signal {
	if g.fatal == nil || !isGo || len(pids) != 1 || sig != what.signal {
		return sig
	}
	if g.fatal.has(what) {
		return syscall.SIGKILL
	}
	g.sent.mu.Lock()
	g.sent.what, g.sent.sent = what, true
	g.sent.mu.Unlock()
	return sig
}
