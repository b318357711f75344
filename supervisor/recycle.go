package supervisor

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/lockfile"
)

const (
	// memoryCheckEvery is how often the memory of workers is read if there is a limit: reading PSS
	// walks page tables, and memory grows slowly.
	memoryCheckEvery = 15 * time.Second
	// recycleLockRetry is the pause before the lock is tried again.
	recycleLockRetry = time.Second
	// recycleLockTimeout is how long other instances may delay recycling.
	recycleLockTimeout = 10 * time.Minute
)

// recycleLock lets one worker of an app be recycled at a time: among the instances of
// this process, and among processes by a lock that all of them can take.
type recycleLock struct {
	mu    sync.Mutex
	paths []string // empty: this process is alone
	lock  *lockfile.Lock
	held  bool
}

// newRecycleLock makes the lock file of this process, one of paths; empty: it is alone.
func newRecycleLock(own string, paths []string) *recycleLock {
	if own != "" {
		_ = lockfile.Make(own) // without it this process follows the locks of the others
	}
	return &recycleLock{paths: paths}
}

// take returns true if we have the lock; done releases it.
func (t *recycleLock) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held {
		return false
	}
	// The first lock file that exists is the one that all use. One that cannot be taken for
	// another reason than a holder does not make us wait.
	for _, path := range t.paths {
		lock, err := lockfile.TryExisting(path)
		var held *lockfile.HeldError
		if errors.As(err, &held) {
			return false
		}
		if err == nil {
			t.lock = lock
			break
		}
	}
	t.held = true
	return true
}

func (t *recycleLock) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lock != nil {
		t.lock.Release()
	}
	t.lock, t.held = nil, false
}

// recyclePolicy replaces, one at a time, the workers that are too old or too large.
type recyclePolicy struct{ *instance }

func (p recyclePolicy) next() time.Time {
	if p.phase == phaseLeaving {
		return time.Time{}
	}
	return p.recycleAt
}

func (p recyclePolicy) run(now time.Time) {
	p.recycleAt = p.planRecycle(now)
	if p.roll != nil || p.phase != phaseAwake {
		return
	}
	s, cause := p.dueForRecycle(now)
	if s == nil {
		p.recycleDueSince = time.Time{}
		return
	}
	if p.recycleDueSince.IsZero() {
		p.recycleDueSince = now
	}
	took := p.common.recycleLock.take()
	if !took && now.Sub(p.recycleDueSince) < recycleLockTimeout {
		p.recycleAt = now.Add(recycleLockRetry)
		return
	}
	p.recycleDueSince = time.Time{}
	p.log.Info("recycling", "pid", s.pid(), "cause", cause)
	p.roll = &roll{cause: cause, launch: p.launch, todo: []*slot{s}, reply: make(chan error, 1), locked: took}
}

// dueForRecycle returns a worker over one of the limits.
func (i *instance) dueForRecycle(now time.Time) (*slot, control.Cause) {
	limit := i.app.Limits.MaxMemory
	for _, s := range i.slots {
		if s.m.State != control.Ready || !s.m.Up {
			continue
		}
		if !s.expiresAt.IsZero() && !now.Before(s.expiresAt) {
			return s, control.Age
		}
		if limit == 0 {
			continue
		}
		if bytes, _, err := s.proc.Memory(); err == nil && bytes > limit {
			return s, control.Memory
		}
	}
	return nil, control.None
}

// planRecycle returns when to search for the next: zero without limits or workers.
func (i *instance) planRecycle(now time.Time) time.Time {
	var next time.Time
	if i.app.Limits.MaxMemory > 0 && i.ready() {
		next = now.Add(memoryCheckEvery)
	}
	for _, s := range i.slots {
		if s.m.State != control.Ready || s.expiresAt.IsZero() {
			continue
		}
		if at := latest(s.expiresAt, now.Add(time.Second)); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// expiry is when a worker that became ready then is too old; zero for never.
func (i *instance) expiry(ready time.Time) time.Time {
	if i.app.Limits.MaxAge == 0 {
		return time.Time{}
	}
	return ready.Add(lifetime(i.app.Limits.MaxAge, rand.Float64()))
}

// lifetime is max_age less up to a tenth, drawn once for each worker, so that
// workers that began together do not end together.
func lifetime(limit time.Duration, random float64) time.Duration {
	return limit - time.Duration(float64(limit)*0.1*random)
}
