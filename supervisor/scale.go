package supervisor

import (
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

const (
	// scaleWindow is how long a number of workers that was needed is kept.
	scaleWindow = 30 * time.Second
	// fastest bounds how many workers are added after one sample; the rate doubles up to it.
	fastest = 16
)

// pool is an instance's workers and how many there should be.
type pool struct {
	slots []*slot
	// launch is how workers are started, generation counts its changes and restarts.
	launch     worker.Launch
	generation int
	// spawns counts processes; each has the number that it was.
	spawns int
	// want is how many workers there should be.
	want   int
	cold   cold
	scaler scaler
	// pressed is set while the pool would grow if memory were not short.
	pressed bool
	// roll is the restart under way, nil if there is none.
	roll *roll
	// recycleAt is when to search for workers over their limits, recycleDueSince is since
	// when there has been one.
	recycleAt, recycleDueSince time.Time
	// programAt is when to check the programs of workers that wait; zero: none does.
	// programCheck is the check under way.
	programAt    time.Time
	programCheck *programCheck
}

// scaler decides how many workers an elastic instance wants. It grows on a queue
// or on too few idle workers, and shrinks by what was needed at most within the
// window, not by each worker's idle time: a light load touches all workers in turn.
type scaler struct {
	rate int
	// peaks are the concurrencies of the window that a later, larger one has not
	// made irrelevant: times rise, numbers fall.
	peaks []peak
}

type peak struct {
	at time.Time
	n  int
}

// load is what one sample says.
type load struct {
	// busy workers, waiting connections, and workers in all, starting ones included.
	busy, queue, workers int
	// pressed: memory is short, so nothing may grow.
	pressed bool
}

// observe returns how many workers are wanted now.
func (s *scaler) observe(now time.Time, w fcgisup.Workers, l load) int {
	s.remember(now, l.busy+l.queue)
	if need := between(w, l.busy+l.queue+w.Spare); need > l.workers {
		if l.pressed {
			return l.workers
		}
		s.rate = min(max(2*s.rate, 1), fastest)
		return min(l.workers+s.rate, need)
	}
	s.rate = 0
	if keep := between(w, s.peaks[0].n+w.Spare); keep < l.workers {
		return l.workers - 1
	}
	return l.workers
}

func (s *scaler) remember(now time.Time, n int) {
	s.peaks = slices.DeleteFunc(s.peaks, func(p peak) bool { return now.Sub(p.at) >= scaleWindow || p.n <= n })
	s.peaks = append(s.peaks, peak{now, n})
}

// expires is when fewer workers might do without anything happening; zero if never.
func (s *scaler) expires(now time.Time, w fcgisup.Workers, workers int) time.Time {
	if w.Min == w.Max || workers <= between(w, w.Spare) || len(s.peaks) == 0 {
		return time.Time{}
	}
	if keep := between(w, s.peaks[0].n+w.Spare); keep < workers {
		return now.Add(busyEvery)
	}
	return latest(s.peaks[0].at.Add(scaleWindow), now.Add(busyEvery)) // scale forgets no peak during a restart
}

func between(w fcgisup.Workers, n int) int { return max(min(n, w.Max), w.Min) }

// working counts the workers that are meant to stay.
func (i *instance) working() int {
	n := 0
	for _, s := range i.slots {
		if s.m.Up && !s.spare {
			n++
		}
	}
	return n
}

// scaleWorkers sets how many workers an elastic instance should have.
func (i *instance) scaleWorkers(now time.Time) {
	w := i.app.Workers
	if w.Min == w.Max || i.roll != nil || !i.ready() || i.holdsBack() {
		return
	}
	have := i.working()
	l := load{workers: have}
	l.busy, l.queue = i.demand(now)
	l.pressed = l.busy+l.queue+w.Spare > have && i.host.pressed()
	i.pressed = l.pressed
	if i.current != nil {
		i.scaler.rate = fastest // a fork costs little, and is quick
	}
	i.want = i.scaler.observe(now, w, l)
	switch {
	case i.want > have:
		i.scaled[control.Upward]++
		i.log.Info("scaling up", "workers", have, "wanted", i.want, "busy", l.busy, "queue", l.queue)
	case i.want < have:
		i.scaled[control.Downward]++
		i.log.Info("scaling down", "workers", have, "wanted", i.want, "window", scaleWindow)
	}
	if i.want == 0 {
		i.sleep(now)
	}
}

// demand returns how many workers serve and how many connections wait, our own
// probes aside.
func (i *instance) demand(now time.Time) (busy, queue int) {
	busy, _ = i.busy()
	queue = max(i.board.Queue.Length-i.acceptedDuringSample(), 0)
	if i.ownProbeConns(now) > 0 {
		if queue > 0 {
			queue--
		} else {
			busy = max(busy-1, 0)
		}
	}
	if busy+queue == 0 && now.Sub(i.activeAt) < quietAfter {
		busy = 1 // a request that came and went between two samples needed a worker
	}
	return busy, queue
}

// acceptedDuringSample counts the connections that left the queue during the last sample: it has
// them both waiting and served.
func (i *instance) acceptedDuringSample() int {
	if i.board.WaitersErr != nil || i.board.ConnsErr != nil {
		return 0 // one of the lists is old
	}
	n := 0
	for _, w := range i.board.Waiting {
		if w.Gone {
			continue
		}
		if slices.ContainsFunc(i.board.Requests, func(r scoreboard.Request) bool {
			return r.Peer == w.Peer && r.Remote == w.Remote
		}) {
			n++
		}
	}
	return n
}

// poolPolicy makes the number of workers what it should be.
type poolPolicy struct{ *instance }

func (p poolPolicy) next() time.Time {
	have := p.working()
	switch {
	case p.phase != phaseAwake:
		return time.Time{}
	case p.want != p.wanted() || have > p.want:
		return immediately
	case have == p.want:
		if p.cold.on {
			return immediately // that is over
		}
		return time.Time{}
	case p.awaitsTemplate():
		return time.Time{}
	case !p.cold.on || have == 0 || p.cold.news:
		return immediately
	case p.cold.took > 0:
		return p.cold.next
	}
	return time.Time{}
}

func (p poolPolicy) run(now time.Time) { p.fill(now) }

// wanted is how many workers there should be, of which one at least.
func (i *instance) wanted() int { return max(between(i.app.Workers, i.want), 1) }

// fill starts the workers that are missing, as far as it may, and stops those that are too many.
func (i *instance) fill(now time.Time) {
	if i.phase != phaseAwake {
		return
	}
	i.want, i.cold.news = i.wanted(), false
	have := i.working()
	if i.current != nil && i.cold.took > 0 && !now.Before(i.cold.next) {
		i.cold = cold{} // forks cost too little to be held back for longer
	}
	for ; have < i.want && !i.awaitsTemplate() && i.mayStart(now); have++ {
		i.add(i.launch, now)
		i.cold.next = now.Add(i.cold.took)
	}
	if have >= i.want {
		i.cold = cold{}
	}
	for ; have > i.want; have-- {
		i.retireOne(now)
	}
}

// retireOne stops the worker that is needed least: one not ready, then the newest idle one, then the newest.
func (i *instance) retireOne(now time.Time) {
	var victim *slot
	best := -1
	for _, s := range i.slots {
		if !s.m.Up || s.spare {
			continue
		}
		rank := 0
		switch {
		case s.m.State != control.Ready:
			rank = 2
		case i.view(s).Requests == 0:
			rank = 1
		}
		if rank >= best {
			victim, best = s, rank
		}
	}
	if victim != nil {
		i.dispatch(victim, worker.Event{Kind: worker.Stop, Cause: control.Scale}, now)
	}
}

// idlePolicy sends an instance to sleep that has served no client for idle_timeout.
type idlePolicy struct{ *instance }

func (p idlePolicy) next() time.Time {
	if p.app.Limits.IdleTimeout == 0 || p.blind || p.phase != phaseAwake || p.roll != nil || !p.ready() {
		return time.Time{}
	}
	return p.activeAt.Add(p.app.Limits.IdleTimeout)
}

func (p idlePolicy) run(now time.Time) {
	p.observe(now, now) // the last sample may be old
	if due(p.next(), now) {
		p.sleep(now)
	}
}

// sleep stops all workers and waits for the next connection. One that comes
// while they stop is served by the last of them, or wakes the instance.
func (i *instance) sleep(now time.Time) {
	if i.blind { // nothing would wake it
		return
	}
	i.log.Info("going to sleep")
	i.openQueue(now)
	i.phase, i.slept = i.phase.after(eventSleep), true
	i.sleptAt = now
	i.want = 0
	i.scaler = scaler{}
	i.sampleAt, i.probeAt = time.Time{}, time.Time{}
	for _, s := range i.slots {
		i.dispatch(s, worker.Event{Kind: worker.Stop, Cause: control.Idle}, now)
	}
	i.watch()
}
