package supervisor

import (
	"sync/atomic"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// asides are the reads that may block as long as the worker's memory is locked. The
// instance's loop waits for none of them for longer than a moment.
type asides struct {
	late    atomic.Int32
	threads scoreboard.Aside[look]
	resting scoreboard.Aside[map[scoreboard.Inode]bool]
	details scoreboard.Aside[[]string]
	memory  scoreboard.Aside[weight]
	program scoreboard.Aside[program]
}

func newAsides() *asides {
	a := &asides{}
	a.threads.Blocked, a.resting.Blocked, a.details.Blocked, a.memory.Blocked = &a.late, &a.late, &a.late, &a.late
	return a
}

const (
	// readTimeout bounds the wait for what one look needs, evidenceTimeout for what
	// is read once before a kill.
	readTimeout     = 50 * time.Millisecond
	evidenceTimeout = 250 * time.Millisecond
	// memoryAge is how old a worker's memory may be if it cannot be read at once:
	// that of a large process takes long.
	memoryAge = time.Minute
)
