package scoreboard

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBlocked says that a read has not ended in time: it waits for the memory of the
// process (its mmap lock, or a page on a disk that does not answer), or for an
// execve(2) of it.
var ErrBlocked = errors.New("the process's memory cannot be read: it is locked, or a disk does not answer")

// Aside runs reads that may block in the kernel for ever, one at a time, each in a
// goroutine of its own, so that who asks never waits for longer than it wants to.
// /proc/PID/smaps_rollup, cmdline, environ and mem take the lock of the process's
// memory, and /proc/PID/syscall, wchan and stack wait for an execve(2). The zero
// value is ready. Safe for concurrent use.
type Aside[T any] struct {
	// Blocked, if set, counts the reads that are late, of several Asides about one
	// process: while one is late nothing else is tried.
	Blocked *atomic.Int32

	mu sync.Mutex
	// running is closed when the read under way ends; nil: there is none.
	running chan struct{}
	since   time.Time
	late    bool
	last    T
	err     error
	at      time.Time // when last and err were read
}

// Read returns what f returns. It waits for limit at most, and not at all while an
// earlier read is late; what that has found until then, or the last one, is good
// for as long as it is younger than age. Otherwise the error wraps [ErrBlocked].
func (a *Aside[T]) Read(limit, age time.Duration, f func() (T, error)) (T, error) {
	running, ok := a.begin(f)
	if ok {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-running:
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.last, a.err
		case <-timer.C:
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil && a.running == running && !a.late {
		a.late = true
		a.count(1)
	}
	if age > 0 && !a.at.IsZero() && time.Since(a.at) < age {
		return a.last, a.err
	}
	var none T
	if a.running == nil {
		return none, ErrBlocked // by another read about the process
	}
	return none, fmt.Errorf("%w (for %s)", ErrBlocked, time.Since(a.since).Round(time.Millisecond))
}

// begin starts f, or joins the read under way; ok is false if there is nothing to wait for.
func (a *Aside[T]) begin(f func() (T, error)) (running chan struct{}, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil {
		return a.running, !a.late
	}
	if a.Blocked != nil && a.Blocked.Load() > 0 {
		return nil, false
	}
	running = make(chan struct{})
	a.running, a.since = running, time.Now()
	go func() {
		v, err := f()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.last, a.err, a.at = v, err, time.Now()
		if a.late {
			a.count(-1)
		}
		a.running, a.late = nil, false
		close(running)
	}()
	return running, true
}

func (a *Aside[T]) count(n int32) {
	if a.Blocked != nil {
		a.Blocked.Add(n)
	}
}
