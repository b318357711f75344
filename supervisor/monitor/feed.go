package monitor

import "sync"

// Feed hands the newest report to any number of readers. A slow one misses
// reports and never waits for a reader. The zero value is ready.
type Feed struct {
	mu     sync.Mutex // what follows
	report *Report
	next   chan struct{} // closed by the next Publish
}

// Publish makes r the newest report. It must not be changed afterwards: readers share it.
func (f *Feed) Publish(r *Report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report = r
	if f.next != nil {
		close(f.next)
		f.next = nil
	}
}

// Latest is the newest report, nil before the first, and a channel that is
// closed once there is a newer one. To follow the feed, call it again then.
func (f *Feed) Latest() (*Report, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = make(chan struct{})
	}
	return f.report, f.next
}
