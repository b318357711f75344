package supervisor

import (
	"runtime"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// cold is the state of a pool that a request has woken. Its workers start one after
// the other: all at once they would share the cores with the one that the request waits for.
type cold struct {
	// on is set from the wake until all workers have been started, or one has failed.
	on bool
	// since is when the request came.
	since time.Time
	// took is how long it was then until the first worker was ready, the load of a template included; 0: none is ready.
	took time.Duration
	// finished is how many requests had been answered before.
	finished uint64
	// answered is set once that worker has answered what it took first: many programs
	// compile what they serve with their first request.
	answered bool
	// next is when another worker starts in any case, once took is known; with a template, when all do.
	next time.Time
	// news is set when something has been seen that mayStart depends on.
	news bool
}

// restsFor is for how long a starting worker must be asleep to be taken for one that
// waits for something else than the cores: a database, a lock.
const restsFor = 100 * time.Millisecond

// mayStart reports whether fill may start another worker now. In a cold pool that is
// the first; one for each connection that waits, as far as there are cores; and the
// others one by one, once the first has answered. Workers that are forked from a template
// have no start to be waited for, but would each compile the first page that they serve:
// the first answers what waits, which it has compiled once. All times are multiples of what
// the first start took, so that slow programs and slow machines have the time that they need.
func (i *instance) mayStart(now time.Time) bool {
	if !i.cold.on || i.working() == 0 {
		return true
	}
	starting, busy := i.starting(now)
	if i.current != nil {
		return i.cold.answered && busy == 0 && i.queued() == 0
	}
	if busy < runtime.GOMAXPROCS(0) {
		if queue, err := i.host.waiters(); err == nil && starting < len(queue.waiters) {
			return true
		}
	}
	if i.cold.took == 0 {
		return false
	}
	return i.cold.answered && busy == 0 || !now.Before(i.cold.next)
}

// starting counts the workers that are not ready yet, and those of them that use a core or the disk.
func (i *instance) starting(now time.Time) (all, busy int) {
	for _, s := range i.slots {
		if s.m.State != control.Starting {
			continue
		}
		all++
		if s.restingSince.IsZero() || now.Sub(s.restingSince) < restsFor {
			busy++
		}
	}
	return all, busy
}

// noteSleep notes since when a starting worker of a cold pool sleeps.
func (i *instance) noteSleep(s *slot, now time.Time) {
	i.cold.news = true
	switch {
	case !i.holdsBack() || !s.proc.Sleeps():
		s.restingSince = time.Time{}
	case s.restingSince.IsZero():
		s.restingSince = now
	}
}

// noteFirstReady notes that a worker has become ready, and what the start took.
func (i *instance) noteFirstReady(now time.Time) {
	if i.cold.on && i.cold.took == 0 {
		i.cold.took = max(now.Sub(i.cold.since), firstCheck)
		i.cold.next = now.Add(i.cold.took)
		if i.current != nil {
			i.cold.next = i.cold.next.Add(i.cold.took) // for the page, too
		}
	}
	i.cold.news = true
}

// rampUp acts on what the last sample says of the first worker.
func (i *instance) rampUp(now time.Time) {
	c := &i.cold
	if !c.on || c.took == 0 || c.answered {
		return
	}
	if len(i.board.Requests) == 0 && i.queued() == 0 || i.board.Finished > c.finished {
		c.answered = true
		i.fill(now)
	}
}

// holdsBack reports whether workers are missing that mayStart holds back.
func (i *instance) holdsBack() bool { return i.cold.on && i.missing() }

// missing reports whether fill would start workers if it may.
func (i *instance) missing() bool {
	return i.phase == phaseAwake && i.working() < i.want
}
