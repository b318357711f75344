package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	ossignal "os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Exit is how a worker ended.
type Exit struct {
	Status syscall.WaitStatus
}

// Clean is exit status 0.
func (e Exit) Clean() bool { return e.Status.Exited() && e.Status.ExitStatus() == 0 }

// Sent is an end by a signal that others send, and no fault of a program raises.
func (e Exit) Sent() bool {
	switch e.Status.Signal() {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		return true
	default: // Signal is -1 if the process was not ended by one
		return false
	}
}

// String describes it for people.
func (e Exit) String() string {
	switch {
	case e.Status.Exited():
		return fmt.Sprintf("exit status %d", e.Status.ExitStatus())
	case e.Status.CoreDump():
		return fmt.Sprintf("signal %s, core dumped", e.Status.Signal())
	case e.Status.Signaled():
		return fmt.Sprintf("signal %s", e.Status.Signal())
	}
	return fmt.Sprintf("wait status %#x", int(e.Status))
}

// lingerCheckEvery is how often a process group without its leader is checked.
const lingerCheckEvery = 50 * time.Millisecond

// Spawner starts workers and is their only waiter.
//
// All of them are forked by one OS thread, because PR_SET_PDEATHSIG fires when
// the thread that forked ends (prctl(2)), and Go ends threads as it likes.
type Spawner struct {
	forks chan func()
	done  chan struct{}
	// paused is closed by pause, waited when wait has ended. poke has it check.
	paused, waited chan struct{}
	pausing        *sync.Once
	poke           chan struct{}
	// mu is held over fork and registration, and over wait and removal, so no
	// exit comes before its process is known and no signal goes to a number
	// that belongs to another process by now.
	mu       sync.Mutex
	children map[int]*child
	// everybody: as PID 1, or as subreaper, orphans of others are ours to reap.
	everybody bool
}

// child is a process group that we started.
type child struct {
	// gone is told when the leader has ended but others of its group, or such that have
	// left it, live on (left), and once when nothing is left.
	gone       func(e Exit, left bool)
	leaderGone bool
	// groupGone: its number may be another group's; the worker goes on in processes that have left it.
	groupGone bool
	exit      Exit
	group     *group
}

// NewSpawner starts a goroutine that forks and one that waits; Close ends both.
func NewSpawner() *Spawner {
	s := newSpawner()
	go s.wait()
	go s.Loop()
	return s
}

// PrepareSpawner is NewSpawner for a program that does nothing but supervise: the
// caller runs Loop itself, on the main thread, since execve(2) ends all other
// threads, and with a thread go the workers that it has forked. It makes the
// program the parent of all its orphaned descendants and waits for every child,
// so nothing else may start processes; see Command.
func PrepareSpawner() *Spawner {
	s := newSpawner()
	// Without it, daemons that workers become are init's, and out of our reach.
	if unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == nil {
		s.everybody = true
	}
	go s.wait()
	return s
}

// newSpawner also sees to descriptors: those that this process was started with,
// beyond 0 to 2, would go on to every worker. All are marked close-on-exec; Go
// marks those that it opens.
func newSpawner() *Spawner {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // before Linux 5.11 they go on
	return &Spawner{
		forks:     make(chan func()),
		done:      make(chan struct{}),
		paused:    make(chan struct{}),
		waited:    make(chan struct{}),
		pausing:   &sync.Once{},
		poke:      make(chan struct{}, 1),
		children:  map[int]*child{},
		everybody: os.Getpid() == 1,
	}
}

// Close ends Loop and stops waiting; processes that are left die with this one.
func (s *Spawner) Close() {
	_ = s.Pause(context.Background())
	close(s.done)
}

// Pause stops waiting. Exits from now on are left to a successor, or to unpause. If
// ctx ends first waiting goes on.
func (s *Spawner) Pause(ctx context.Context) error {
	s.pausing.Do(func() { close(s.paused) })
	select {
	case <-s.waited:
		return nil
	case <-ctx.Done():
		go func() {
			<-s.waited
			s.Unpause()
		}()
		return ctx.Err()
	}
}

// Unpause waits for exits again, those of the pause included.
func (s *Spawner) Unpause() {
	s.paused, s.waited, s.pausing = make(chan struct{}), make(chan struct{}), &sync.Once{}
	go s.wait()
}

// Loop forks and executes, on the thread that it was called on, until Close.
func (s *Spawner) Loop() {
	runtime.LockOSThread() // for good: unlocking would let the thread end before its children
	for {
		select {
		case fork := <-s.forks:
			fork()
		case <-s.done:
			return
		}
	}
}

// Exec replaces this program, on the thread that has forked the workers. It
// returns only with an error. Before runs right before, on that thread, where
// nothing can be forked.
func (s *Spawner) Exec(before func() error, path string, argv, env []string) error {
	failed := make(chan error, 1)
	s.forks <- func() {
		err := before()
		if err == nil {
			err = fmt.Errorf("cannot execute %s: %w", path, syscall.Exec(path, argv, env))
		}
		failed <- err
	}
	err := <-failed
	s.Unpause()
	return err
}

// group is the group of a child that this program has forked or adopted, nil if there is none.
func (s *Spawner) group(pid int) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.children[pid]; c != nil {
		return c.group
	}
	return nil
}

// setGroup keeps the group of a child as long as the child lives.
func (s *Spawner) setGroup(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.children[g.leader]; c != nil {
		c.group = g
	}
}

// adopt registers a child that a predecessor in this process has forked, or gives
// one of ours to another supervisor.
func (s *Spawner) adopt(g *group, gone func(Exit, bool)) {
	s.mu.Lock()
	if c := s.children[g.leader]; c != nil {
		c.gone = gone
	} else {
		s.children[g.leader] = &child{gone: gone, group: g}
	}
	s.mu.Unlock()
	select {
	case s.poke <- struct{}{}: // it may have ended before
	default:
	}
}

// take registers a child that another process has forked for us, like start.
func (s *Spawner) take(g *group, gone func(Exit, bool)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stat, err := scoreboard.ReadStat(g.leader)
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the state of process %d: %w", g.leader, err)
	case stat.Parent != os.Getpid() || stat.Group != g.leader || s.children[g.leader] != nil:
		return fmt.Errorf("process %d is not a new child with a group of its own", g.leader)
	}
	s.children[g.leader] = &child{gone: gone, group: g}
	return nil
}

// start forks and execs, and has gone called as described at child. It blocks
// until exec has succeeded or failed.
func (s *Spawner) start(argv []string, attr *syscall.ProcAttr, gone func(Exit, bool)) (int, error) {
	var pid int
	var err error
	forked := make(chan struct{})
	fork := func() {
		defer close(forked)
		s.mu.Lock()
		defer s.mu.Unlock()
		if pid, err = syscall.ForkExec(argv[0], argv, attr); err == nil {
			s.children[pid] = &child{gone: gone}
		}
	}
	select {
	case s.forks <- fork:
		<-forked
	case <-s.done:
		return 0, errors.New("cannot spawn: the spawner is closed")
	}
	if err != nil {
		return 0, fmt.Errorf("cannot execute %s: %w", argv[0], err)
	}
	return pid, nil
}

// Command runs a program to its end, which comes at the latest with ctx, and
// returns how it ended. Both outputs go to out.
func (s *Spawner) Command(ctx context.Context, argv, env []string, out *os.File) (Exit, error) {
	ended := make(chan Exit, 2)
	attr := &syscall.ProcAttr{Env: env, Files: []uintptr{0, out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	pid, err := s.start(argv, attr, func(e Exit, left bool) {
		if !left {
			ended <- e
		}
	})
	if err != nil {
		return Exit{}, err
	}
	select {
	case e := <-ended:
		return e, nil
	case <-ctx.Done():
		return Exit{}, errors.Join(ctx.Err(), s.signal(pid, syscall.SIGKILL))
	}
}

// signal signals a whole group that we started; a group that is gone is not an error.
func (s *Spawner) signal(pid int, sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.children[pid]; c == nil || c.groupGone {
		return nil
	}
	if err := syscall.Kill(-pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot send %s to process group %d: %w", sig, pid, err)
	}
	return nil
}

func (s *Spawner) wait() {
	defer close(s.waited)
	died := make(chan os.Signal, 1)
	ossignal.Notify(died, syscall.SIGCHLD)
	defer ossignal.Stop(died)
	var again <-chan time.Time
	for {
		if again = nil; s.reap() {
			again = time.After(lingerCheckEvery)
		}
		select {
		case <-died:
		case <-s.poke:
		case <-again:
		case <-s.paused:
			return
		}
	}
}

// reap collects the processes that have ended; true while a group lives on without its leader.
func (s *Spawner) reap() bool {
	var calls []func()
	s.mu.Lock()
	for pid, c := range s.children {
		if c.leaderGone {
			continue
		}
		if status, ok := waitFor(pid); ok {
			c.leaderGone, c.exit = true, Exit{status}
		}
	}
	if s.everybody {
		s.reapOrphans()
	}
	lingering := false
	for pid, c := range s.children {
		if !c.leaderGone {
			continue
		}
		left := c.lives(pid)
		if !left {
			delete(s.children, pid)
		}
		lingering = lingering || left
		gone, exit := c.gone, c.exit
		calls = append(calls, func() { gone(exit, left) })
	}
	s.mu.Unlock()
	for _, call := range calls {
		call()
	}
	return lingering
}

// lives reports whether something is left of a worker whose leader has ended.
func (c *child) lives(pid int) bool {
	c.groupGone = c.groupGone || !groupHasLiveProcess(pid)
	return !c.groupGone || c.group != nil && len(c.group.groups.Outside(pid)) > 0
}

// groupHasLiveProcess reports whether a group has a process that can still do anything.
// kill(2) alone finds zombies too, and those whose parent has ended stay for as
// long as PID 1 likes; in a container that may be for ever.
func groupHasLiveProcess(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	members, err := scoreboard.Members(group)
	return err != nil || len(members) > 0
}

// waitFor reaps one process if it has ended.
func waitFor(pid int) (syscall.WaitStatus, bool) {
	var status syscall.WaitStatus
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		// ECHILD: it ended, and was collected, between two programs of this process.
		return status, err == nil && got == pid || errors.Is(err, syscall.ECHILD)
	}
}

// reapOrphans is PID 1's duty towards processes whose parents have ended.
func (s *Spawner) reapOrphans() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if c := s.children[pid]; c != nil {
			c.leaderGone, c.exit = true, Exit{status}
		}
	}
}
