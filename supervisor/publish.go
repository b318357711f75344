package supervisor

import (
	"context"
	"maps"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// tally counts what has happened.
type tally struct {
	exits     map[control.Cause]uint64
	scaled    map[control.Direction]uint64
	probeFail map[fcgisup.ProbeClass]uint64 // by class
	failure   *control.Failure              // the last
	cut       uint64
	rejected  uint64
	// limited counts how often the queue was.
	limited uint64
	// starts and probings are durations in seconds.
	starts, probings control.Histogram
}

func newTally() tally {
	return tally{exits: map[control.Cause]uint64{}, scaled: map[control.Direction]uint64{}, probeFail: map[fcgisup.ProbeClass]uint64{}}
}

// published is a status with what it is completed from when a client asks.
type published struct {
	control.Status
	board scoreboard.Board
	// openQueue is the limit of the queue that does not stand, where it is limited now.
	openQueue int
}

// publish makes what others may see.
func (i *instance) publish(now time.Time) {
	if s := i.instanceState(); s != i.state {
		i.log.Info("instance", "from", i.state, "to", s)
		i.state, i.since = s, now
	}
	st := &published{board: i.board, Status: control.Status{
		App: i.in.App, Instance: i.in.Number, Address: i.in.Address.Addr,
		State: i.state, Since: i.since,
		Abandoned:     i.board.AbandonedTotal,
		Workers:       make([]control.WorkerStatus, 0, len(i.slots)),
		Restarts:      only(control.RestartCauses, i.exits),
		Exits:         zeroed(control.Causes, i.exits),
		LastFailure:   i.failure,
		Denial:        i.denial.Load(),
		Probe:         i.probe,
		ProbeFailures: zeroed(fcgisup.ProbeClasses, i.probeFail),
		Rejected:      i.rejected,
		QueueLimited:  i.limited,
		Cut:           i.cut,
		Scaled:        zeroed(control.Directions, i.scaled),
		Rolling:       i.roll != nil,
		ConfigError:   i.configErr,
		Starts:        i.starts,
		Probings:      i.probings,
		Template:      i.templateStatus(),
	}}
	if i.bound.set > 0 {
		st.openQueue = i.bound.open
	}
	for _, s := range i.slots {
		if !i.onlyLoads(s) {
			st.Workers = append(st.Workers, i.workerStatus(s))
		}
	}
	if before := i.status.Swap(st); before == nil || before.headline() != st.headline() {
		i.onChange()
	}
}

// headline is the part of a status whose change is reported.
type headline struct {
	state          control.InstanceState
	workers, ready int
	restarts       uint64
	failure        *control.Failure
	template       control.TemplateState
}

func (st *published) headline() headline {
	h := headline{state: st.State, workers: len(st.Workers), failure: st.LastFailure}
	if st.Template != nil {
		h.template = st.Template.State
	}
	for _, w := range st.Workers {
		if w.State == control.Ready {
			h.ready++
		}
	}
	for _, n := range st.Restarts {
		h.restarts += n
	}
	return h
}

// only returns the counts of some keys, at zero where there is none.
func only[K ~string](keys []K, counts map[K]uint64) map[K]uint64 {
	some := make(map[K]uint64, len(keys))
	for _, k := range keys {
		some[k] = counts[k]
	}
	return some
}

// zeroed is a copy that has every key of a closed set.
func zeroed[K ~string](keys []K, counts map[K]uint64) map[K]uint64 {
	all := maps.Clone(counts)
	for _, k := range keys {
		all[k] = counts[k]
	}
	return all
}

func (i *instance) workerStatus(s *slot) control.WorkerStatus {
	w := control.WorkerStatus{PID: s.pid(), State: s.m.State, Since: s.m.Since, Generation: s.generation, Attempt: s.m.Attempt}
	if s.m.State == control.Backoff || s.m.State == control.Failing {
		next := s.m.Deadline
		w.Next = &next
	}
	v := i.view(s)
	if v.Activity == scoreboard.NotKnown || !s.m.Alive() {
		return w
	}
	busy := v.Activity == scoreboard.Busy
	w.Busy, w.RequestsSeen = &busy, &v.Seen
	w.Kept = v.Activity == scoreboard.OnlyKept
	if v.Since.After(w.Since) {
		w.Since = v.Since
	}
	return w
}

// Published is every instance's status, by number, as of its last step, without
// what is read from the kernel only when a client asks.
func (s *Supervisor) Published() []control.Status {
	all := make([]control.Status, len(s.instances))
	for n, i := range s.instances {
		all[n] = i.status.Load().Status
	}
	return all
}

// Snapshot is Published with queues and ages.
func (s *Supervisor) Snapshot() []control.Status {
	all := make([]control.Status, len(s.instances))
	queue := queues(len(all))
	for n, i := range s.instances {
		st := *i.status.Load()
		st.complete(queue(s.sockets[n].Listener()))
		all[n] = st.Status
	}
	return all
}

// FreshStatus is Snapshot with a fresh sample and the workers' memory, of
// one instance, 0 for all of them. One that does not answer until ctx ends shows
// its last status. The sample that is fresh for one is for all.
func (s *Supervisor) FreshStatus(ctx context.Context, number int) []control.Status {
	begun := time.Now()
	all := make([]control.Status, 0, len(s.instances))
	queue := queues(len(s.instances))
	if number != 0 {
		queue = (*scoreboard.Listener).Queue
	}
	for n, i := range s.instances {
		if number != 0 && i.in.Number != number {
			continue
		}
		st := *i.status.Load()
		var procs map[int]worker.Process
		if st.State != control.Sleeping || len(st.Workers) > 0 || st.Template != nil {
			procs = i.refresh(ctx, begun)
			st = *i.status.Load()
		}
		if q, err := st.board.Queue, st.board.QueueErr; err == nil && !st.board.At.Before(begun) {
			st.complete(q, nil)
		} else {
			st.complete(queue(s.sockets[n].Listener()))
		}
		st.addMemory(procs)
		st.Bound()
		all = append(all, st.Status)
	}
	return all
}

// refresh has an instance sample and publish its status, and returns its processes.
func (i *instance) refresh(ctx context.Context, since time.Time) map[int]worker.Process {
	procs := map[int]worker.Process{}
	err := i.do(ctx, func(now time.Time) {
		if len(i.slots) > 0 {
			i.observe(now, since)
		}
		i.publish(now)
		for _, slot := range i.slots {
			if slot.proc != nil {
				procs[slot.pid()] = slot.proc
			}
		}
		if i.current != nil {
			procs[i.current.proc.PID()] = i.current.proc
		}
	})
	if err != nil {
		return nil // the instance may still be at it
	}
	return procs
}

// fewListeners are asked for their queues one by one: for each the kernel goes
// through all sockets of the host, for a list of all listeners once.
const fewListeners = 8

// queues returns a function that reads the queue of a listener, cheap for so many of them.
func queues(listeners int) func(*scoreboard.Listener) (scoreboard.Queue, error) {
	if listeners <= fewListeners {
		return (*scoreboard.Listener).Queue
	}
	return scoreboard.NewSurvey().Queue
}

// complete adds what is read from the kernel only when a client asks, and ages.
func (st *published) complete(q scoreboard.Queue, err error) {
	now := time.Now()
	if err != nil {
		st.Missing = append(st.Missing, "queue: "+err.Error())
	} else {
		st.Queue = &q.Length
		if limit, known := q.Capacity.Value(); known {
			st.QueueLimit = &limit
			backlog := limit
			if st.openQueue > limit {
				backlog = st.openQueue
			}
			st.Backlog = &backlog
		}
	}
	b := st.board
	if b.WaitersErr != nil {
		st.Missing = append(st.Missing, "queue_head_seconds: "+b.WaitersErr.Error())
	} else {
		st.QueueHeadSeconds = seconds(now, b.Head())
	}
	if b.ConnsErr != nil {
		st.Missing = append(st.Missing, "in_flight: "+b.ConnsErr.Error())
		return
	}
	inFlight := len(b.Requests)
	st.Kept = len(b.Kept)
	st.InFlight, st.Orphaned, st.OldestRequestSeconds = &inFlight, &b.Orphaned, seconds(now, b.Oldest())
	for _, v := range b.Workers {
		if v.Err != nil {
			st.Missing = append(st.Missing, "busy: "+v.Err.Error())
			return
		}
	}
}

// seconds since a time; 0 since never.
func seconds(now, then time.Time) *float64 {
	var age float64
	if !then.IsZero() {
		age = max(now.Sub(then).Seconds(), 0)
	}
	return &age
}

// addMemory adds the memory of each worker. The slice is the caller's own by now.
func (st *published) addMemory(procs map[int]worker.Process) {
	if len(procs) == 0 {
		return
	}
	workers := make([]control.WorkerStatus, len(st.Workers))
	copy(workers, st.Workers)
	for n, w := range workers {
		p := procs[w.PID]
		if p == nil {
			continue
		}
		bytes, kind, err := p.Memory()
		if err != nil {
			st.Missing = append(st.Missing, "memory_bytes: "+err.Error())
			continue
		}
		workers[n].MemoryBytes, workers[n].MemoryKind = &bytes, string(kind)
	}
	st.Workers = workers
	if st.Template == nil || procs[st.Template.PID] == nil {
		return
	}
	t := *st.Template
	if bytes, kind, err := procs[t.PID].Memory(); err == nil {
		t.MemoryBytes, t.MemoryKind = &bytes, string(kind)
	}
	st.Template = &t
}

// instanceState derives the state of an instance from its slots.
func (i *instance) instanceState() control.InstanceState {
	if i.phase == phaseLeaving {
		return control.InstanceStopping
	}
	if i.socket.broken != "" {
		return control.InstanceFailing
	}
	if i.ready() {
		if _, idle := i.busy(); idle == 0 && i.board.Queue.Length > i.acceptedDuringSample() {
			return control.Saturated
		}
		return control.Up
	}
	state := control.Sleeping
	for _, s := range i.slots {
		switch s.m.State {
		case control.Failing:
			return control.InstanceFailing
		case control.Starting, control.Backoff, control.Draining, control.Stopping, control.Killing:
			if s.m.Attempt >= worker.FailingAfter {
				return control.InstanceFailing
			}
			if i.phase == phaseAwake {
				state = control.InstanceStarting
			}
		case control.Ready, control.Stopped:
		}
	}
	return state
}
