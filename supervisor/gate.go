package supervisor

import (
	"context"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// settle bounds the wait for a group to stop after SIGSTOP. A process in an
// uninterruptible wait takes longer; it is looked at again later.
const settle = 100 * time.Millisecond

// release is the gate: a stopped process cannot accept, so a group that is
// stopped and holds no connection can be told to end without anybody's request
// being cut. The next connection waits in the queue for the next worker.
// SIGSTOP takes a blocked accept(2) off the wait queue and SIGCONT restarts it,
// so no wake-up is lost.
//
// If we die with a group stopped, PDEATHSIG ends it; that is why it is KILL.
func (g *group) release(ctx context.Context, sig syscall.Signal) bool {
	pause := firstPause
	for ctx.Err() == nil {
		if g.tryRelease(ctx, sig) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		// Looking costs the worker a little time, and one that is never free
		// would be cost most.
		pause = min(pause+pause/8, lastPause)
	}
	return false
}

func (g *group) tryRelease(ctx context.Context, sig syscall.Signal) bool {
	defer func() { _ = g.spawner.signal(g.leader, syscall.SIGCONT) }()
	if g.spawner.signal(g.leader, syscall.SIGSTOP) != nil {
		return false
	}
	pids, stopped := g.stopped(ctx)
	if !stopped {
		return false
	}
	held, err := g.holding(pids)
	if err != nil || len(held) > 0 || ctx.Err() != nil {
		return false
	}
	return g.spawner.signal(g.leader, sig) == nil
}

// stopped waits until no process of the group can run.
func (g *group) stopped(ctx context.Context) (pids []int, ok bool) {
	give := time.Now().Add(settle)
	for {
		pids, err := g.groups.Members(g.leader)
		if err != nil {
			return nil, false
		}
		running := false
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
