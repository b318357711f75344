package supervisor

import (
	"runtime"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// coldFor is how long a pool that a request has woken may hold workers back. What
// takes longer to start waits for something else than the cores.
const coldFor = 2 * time.Second

// mayStart tells whether fill may start another worker now. A pool that a request
// has woken begins with one: the others would share the cores with the one that the
// request waits for. They follow one after the other, or as many at a time as
// connections wait, up to the number of cores.
func (i *instance) mayStart(now time.Time) bool {
	if !now.Before(i.coldUntil) {
		return true
	}
	starting := 0
	for _, s := range i.slots {
		if s.m.state == control.Starting {
			starting++
		}
	}
	if starting == 0 {
		return true
	}
	queue, err := i.host.waiters()
	return err == nil && starting < min(len(queue.waiters), runtime.GOMAXPROCS(0))
}

// held tells whether workers are missing that mayStart holds back.
func (i *instance) held(now time.Time) bool {
	return now.Before(i.coldUntil) && i.missing()
}

// missing tells whether fill would start workers if it may.
func (i *instance) missing() bool {
	return i.awake && !i.leaving && i.working() < i.want
}
