package worker

import (
	"context"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// settle bounds the wait for a group to stop after SIGSTOP. A process in an
// uninterruptible wait takes longer; it is checked again later.
const settle = 100 * time.Millisecond

// A worker that is never free for long is watched from watchAfter attempts on: for
// watchFor after each pause, so that at most half a core goes into it.
const (
	gatePause  = 2 * time.Millisecond
	watchAfter = 50
	watchFor   = 20 * time.Millisecond
	watchPause = 20 * time.Millisecond
)

// Release is the gate: a stopped process cannot accept, so a group that is
// stopped and holds no connection can be told to end without a request
// being cut. The next connection waits in the queue for the next worker.
// SIGSTOP takes a blocked accept(2) off the wait queue and SIGCONT restarts it,
// so no wake-up is lost.
//
// If we die with a group stopped, PDEATHSIG ends it; that is why it is KILL.
func (g *group) Release(ctx context.Context, sig syscall.Signal) bool {
	what, isGo := invocationOf(g.leader, g.launch)
	end := func(pids []int) syscall.Signal { return g.stopSignal(pids, what, isGo, sig) }
	for attempts := 1; ctx.Err() == nil; attempts++ {
		if g.tryRelease(ctx, end) {
			return true
		}
		pause := gatePause
		if attempts > watchAfter {
			pause = watchPause
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		if attempts > watchAfter {
			g.watchBetweenRequests()
		}
	}
	return false
}

// watchBetweenRequests returns right after the group has closed a connection,
// which is before it accepts the next: the best moment to try again.
func (g *group) watchBetweenRequests() {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return
	}
	if held, err := g.serving(pids); err == nil {
		scoreboard.AwaitClose(pids, held, watchFor)
	}
}

func (g *group) tryRelease(ctx context.Context, end func(pids []int) syscall.Signal) bool {
	defer func() { _ = g.signalAll(syscall.SIGCONT) }()
	if g.spawner.signal(g.leader, syscall.SIGSTOP) != nil {
		return false
	}
	pids, stopped := g.stopped(ctx)
	if !stopped {
		return false
	}
	held, err := g.serving(pids)
	if err != nil || len(held) > 0 || ctx.Err() != nil || g.mustEmpty() {
		return false
	}
	return g.signalAll(end(pids)) == nil
}

// mustEmpty reports whether connections wait that no later worker will see: those of
// a listener that was replaced end with the last worker that has it.
func (g *group) mustEmpty() bool {
	if !g.Outdated() {
		return false
	}
	q, err := g.listener.Queue()
	return err == nil && q.Length > 0
}

// stopped waits until no process of the group can run, nor one that has left it, which it stops.
func (g *group) stopped(ctx context.Context) (pids []int, ok bool) {
	give := time.Now().Add(settle)
	outside := map[scoreboard.Outsider]bool{}
	for {
		pids, err := g.groups.Members(g.leader)
		if err != nil {
			return nil, false
		}
		known := len(outside)
		if g.signalOutside(syscall.SIGSTOP, outside) != nil {
			return nil, false
		}
		running := len(outside) > known // it may have forked before it was stopped
		for _, pid := range pids {
			if ok, err := scoreboard.Stopped(pid); err == nil && !ok {
				running = true
			}
		}
		if !running {
			return pids, true
		}
		if time.Now().After(give) || ctx.Err() != nil {
			return pids, false
		}
		time.Sleep(50 * time.Microsecond)
	}
}
