package worker

import (
	"sync/atomic"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// slowReads are the reads that may block as long as the worker's memory is locked. The
// instance's loop waits for none of them for longer than a moment.
type slowReads struct {
	blocked atomic.Int32
	threads scoreboard.Aside[Observation]
	resting scoreboard.Aside[map[scoreboard.Inode]bool]
	details scoreboard.Aside[[]string]
	memory  scoreboard.Aside[groupMemory]
	program scoreboard.Aside[Program]
}

func newSlowReads() *slowReads {
	a := &slowReads{}
	a.threads.Blocked, a.resting.Blocked, a.details.Blocked, a.memory.Blocked = &a.blocked, &a.blocked, &a.blocked, &a.blocked
	return a
}

const (
	// readTimeout bounds the wait for what one sample needs, evidenceTimeout for what
	// is read once before a kill.
	readTimeout     = 50 * time.Millisecond
	evidenceTimeout = 250 * time.Millisecond
	// memoryAge is how old a worker's memory may be if it cannot be read at once:
	// that of a large process takes long.
	memoryAge = time.Minute
)
