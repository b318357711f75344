package supervisor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// Intervals of sampling. While nothing happens there is no sample: the next connection brings one.
const (
	busyEvery   = 250 * time.Millisecond
	queuedEvery = 100 * time.Millisecond
	// processShare is how much of a core all instances of this process may spend on
	// sampling, as 1/processShare, and slowest is about as slow as sampling gets for that.
	processShare = 50
	slowest      = 4 * time.Second
	// appShare is how much of a core all instances of an app may spend on it, as
	// 1/appShare, each in a process of its own.
	appShare = 4
	// quietAfter is how long nothing happens before sampling stops.
	quietAfter = time.Second
	// listAge is how old a list of the host's connections may be that the
	// instances of this process share.
	listAge = 100 * time.Millisecond
)

// sampler holds what the kernel has said, and when to ask again.
type sampler struct {
	tracker scoreboard.Tracker
	board   scoreboard.Board
	// cost is how long a sample takes, about.
	cost time.Duration
	// sampleAt is when to sample next; zero: when a connection comes. watching: the
	// listener is armed for that.
	sampleAt time.Time
	watching bool
	// blind is set once connections cannot be waited for: then samples find them.
	blind bool
	// activeAt is when a client was last seen to want something.
	activeAt time.Time
	// waiting are the ages of the queue while no worker is ready.
	waiting arrivals
}

// liveWorker is a living process of a slot, under an id that never comes again.
type liveWorker struct {
	id   int
	proc worker.Process
}

// samplePolicy samples what the kernel says and acts on it: what needs a sample to decide has no time of its own.
type samplePolicy struct{ *instance }

func (p samplePolicy) next() time.Time {
	switch {
	case p.phase != phaseAwake:
		return time.Time{}
	case p.sampleAt.IsZero() && p.mayWatch():
		return immediately
	}
	return p.sampleAt
}

func (p samplePolicy) run(now time.Time) {
	if p.sampleAt.IsZero() {
		if p.watch(); p.sampleAt.IsZero() {
			return
		}
	}
	p.observe(now, now.Add(-listAge))
	p.rampUp(now)
	if !p.socket.shut && p.host.shut() {
		p.checkSocket(now)
	}
	p.rejectOverdue(now)
	p.checkStuck(now)
	p.scaleWorkers(now)
	p.boundQueue(now)
	p.planSample(now)
}

// observe takes a sample, of a list of connections made no earlier than since.
func (i *instance) observe(now, since time.Time) {
	var workers []liveWorker
	for _, s := range i.slots {
		if s.m.Alive() && s.proc != nil {
			workers = append(workers, liveWorker{s.id, s.proc})
		}
	}
	i.board = i.tracker.Observe(i.sample(workers, now, since))
	i.noteTrialHolder()
	i.cold.news = true
	if i.board.Queue.Length-i.acceptedDuringSample()+len(i.board.Requests)+i.lingering() > i.ownProbeConns(now) {
		i.activeAt = now
	}
	if i.ready() {
		i.waiting = arrivals{}
		return
	}
	i.waiting.observe(now, i.queued())
}

// lingering counts the answered connections whose client does not know yet: of a
// program that forks for each request, they may still be requests.
func (i *instance) lingering() int {
	n := 0
	for _, c := range i.board.Answered {
		if !c.Gone && !c.Shut {
			n++
		}
	}
	return n
}

// sample measures what it costs. One instance samples at a time, so that none counts
// another's time as its own; a sample that was interrupted counts for a quarter.
func (i *instance) sample(workers []liveWorker, now, since time.Time) scoreboard.Sample {
	i.common.sampling.Lock()
	defer i.common.sampling.Unlock()
	begin := time.Now()
	sample := i.host.observe(workers, since)
	i.cost = (3*i.cost + time.Since(begin)) / 4
	sample.At = now
	return sample
}

// queued is the length of the queue; where it cannot be read, whether there is one.
func (i *instance) queued() int {
	if i.board.QueueErr == nil {
		return i.board.Queue.Length
	}
	if i.host.pending() {
		return max(len(i.waiting.since), 1)
	}
	return 0
}

// planSample decides when to sample again: soon, or not until a connection comes.
func (i *instance) planSample(now time.Time) {
	switch {
	case i.queued() > 0:
		i.sampleAt = i.nextSample(now, queuedEvery)
	case len(i.board.Requests)+len(i.board.Kept)+len(i.board.Answered) > 0 || now.Sub(i.activeAt) < quietAfter || i.bound.control.Limited():
		i.sampleAt = i.nextSample(now, busyEvery)
	default:
		i.sampleAt = i.scaler.expires(now, i.app.Workers, i.working())
		if i.watch(); i.blind {
			i.sampleAt = i.nextSample(now, quietAfter)
		}
	}
}

// nextSample is in every, or later if sampling costs too much: with many
// instances in one process, or many connections on the host. Instances of one
// process sample at the same moments: that wakes it less often, and what they share
// is new for all.
func (i *instance) nextSample(now time.Time, every time.Duration) time.Time {
	step := slowedInterval(every, max(i.cost*time.Duration(i.common.siblings), i.cost*time.Duration(i.app.Instances)*appShare/processShare))
	if i.common.siblings == 1 {
		return now.Add(step)
	}
	return now.Add(step - now.Sub(i.common.began)%step)
}

// slowedInterval is every, doubled until what all samples of a round cost is a small enough
// share of it.
func slowedInterval(every, cost time.Duration) time.Duration {
	step := every
	for step < cost*processShare && step < slowest {
		step *= 2
	}
	return step
}

// view returns what the last sample says of a slot's worker.
func (i *instance) view(s *slot) scoreboard.WorkerView {
	for _, v := range i.board.Workers {
		if v.ID == s.id {
			return v
		}
	}
	return scoreboard.WorkerView{Activity: scoreboard.NotKnown}
}

// busy counts the ready workers that hold a connection, idle those that hold none.
func (i *instance) busy() (busy, idle int) {
	for _, s := range i.slots {
		if s.m.State != control.Ready {
			continue
		}
		switch i.view(s).Activity {
		case scoreboard.Busy, scoreboard.OnlyKept: // which cannot take another, either
			busy++
		case scoreboard.Idle:
			idle++
		case scoreboard.NotKnown:
		}
	}
	return busy, idle
}
