package supervisor

import (
	"runtime"
	"time"
)

// patientFor is how long a worker that starts holds up the next: one that takes
// longer has a reason that a sibling may not have.
const patientFor = time.Second

// mayStart tells whether fill may start another worker now. A pool that a request
// has woken begins with one worker: the others would share the cores with the one
// that the request waits for. They follow one after the other, or as many at a time
// as connections wait, up to the number of cores.
func (i *instance) mayStart(now time.Time) bool {
	if !i.cold {
		return true
	}
	starting := 0
	for _, s := range i.slots {
		if s.m.state == Starting && now.Sub(s.m.spawned) < patientFor {
			starting++
		}
	}
	return starting == 0 || starting < min(i.waitingNow(), runtime.GOMAXPROCS(0))
}

// waitingNow counts the connections that wait; where that cannot be read it knows of none.
func (i *instance) waitingNow() int {
	n := 0
	line, err := i.host.waiters()
	if err != nil {
		return 0
	}
	for _, w := range line {
		if !w.Gone {
			n++
		}
	}
	return n
}
