package worker

import (
	"fmt"
	"sync"
	"time"
)

// What the output of all workers of this process may cost, about 5 % of a core
// together. Beyond passShare lines are dropped, and counted; beyond readShare a
// worker waits in write(2) for a moment, as it would for journald. It never waits
// for long: what is written is read on, whether or not it is passed on.
const (
	// passShare is how many bytes a second are passed on, passBurst how many at once;
	// quietShare and quietBurst are each worker's own, whatever the others write.
	passShare, passBurst   = 256 << 10, 1 << 20
	quietShare, quietBurst = 8 << 10, 64 << 10
	// readShare is how many bytes a second are read.
	readShare, readBurst = 4 << 20, 4 << 20
	// passedLine and readLine are what a line costs beside its bytes.
	passedLine, readLine = 256, 64
	// shortPause is not worth a timer: it is saved up.
	shortPause = 10 * time.Millisecond
	// lastWords is read without a pause once the worker has ended: more than a pipe holds.
	lastWords = 1 << 20
	// dropsEvery is the pause between two notices of one worker.
	dropsEvery = time.Second
)

// bucket is a token bucket: so much a second, and so much at once.
type bucket struct {
	mu          sync.Mutex
	rate, burst float64
	level       float64 // below zero: taken in advance
	at          time.Time
}

func newBucket(rate, burst float64) *bucket { return &bucket{rate: rate, burst: burst, level: burst} }

// take takes n if there is something left.
func (b *bucket) take(now time.Time, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.level <= 0 {
		return false
	}
	b.level -= float64(n)
	return true
}

// owe takes n in any case, and returns how long to wait for it.
func (b *bucket) owe(now time.Time, n int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	b.level -= float64(n)
	return time.Duration(-b.level / b.rate * float64(time.Second))
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.level, b.at = min(b.level+d.Seconds()*b.rate, b.burst), now
	}
}

// OutputShare is what the workers of a process share.
type OutputShare struct{ passed, read *bucket }

// NewOutputShare has all of it to give.
func NewOutputShare() *OutputShare {
	return &OutputShare{newBucket(passShare, passBurst), newBucket(readShare, readBurst)}
}

// pacer decides about one worker's output.
type pacer struct {
	share *OutputShare
	quiet *bucket
	// ended is closed when its end should be waited for no longer than needed.
	ended <-chan struct{}
	free  int // bytes to read without a pause after that

	mu      sync.Mutex
	dropped uint64
	notice  func(text string)
}

func (o *OutputShare) pacer(ended <-chan struct{}, notice func(string)) *pacer {
	return &pacer{share: o, quiet: newBucket(quietShare, quietBurst), ended: ended, free: lastWords, notice: notice}
}

// pass reports whether a line of n bytes may be passed on, and counts it if not.
func (p *pacer) pass(now time.Time, n int) bool {
	if p.quiet.take(now, n+passedLine) || p.share.passed.take(now, n+passedLine) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped++; p.dropped == 1 {
		time.AfterFunc(dropsEvery, p.reportDropped)
	}
	return false
}

// reportDropped passes on how many lines were not.
func (p *pacer) reportDropped() {
	p.mu.Lock()
	n := p.dropped
	p.dropped = 0
	p.mu.Unlock()
	if n > 0 {
		p.notice(fmt.Sprintf("fcgisup: %d lines dropped: the workers write more than %d KiB a second", n, passShare>>10))
	}
}

// wait is the pause after a line of n bytes was read.
func (p *pacer) wait(now time.Time, n int) {
	d := p.share.read.owe(now, n+readLine)
	if d < shortPause {
		return
	}
	select {
	case <-p.ended:
		if p.free -= n; p.free > 0 {
			return
		}
		time.Sleep(d)
	default:
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ended:
		}
	}
}
