package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// roll replaces an instance's workers one by one, each only when its
// replacement is ready. It ends at the first replacement that does not come up;
// the workers not yet replaced go on.
type roll struct {
	cause  control.Cause
	launch worker.Launch
	// todo are the workers still to be replaced.
	todo []*slot
	// old and fresh are the pair at work; old is nil when there is none to lose.
	old, fresh *slot
	// proven is set once fresh has been ready.
	proven bool
	reply  chan<- error
	// renews is set until a first worker of a new generation is ready: before that its template is not to be relied on.
	renews bool
	// locked is set if the roll holds the recycle lock.
	locked bool
}

// replies are outcomes for the callers; each channel has room for its own.
type replies []func()

func (r *replies) add(to chan<- error, err error) {
	*r = append(*r, func() { to <- err })
}

func (r *replies) send() {
	for _, send := range *r {
		send()
	}
	*r = nil
}

// beginRoll starts one; reply (buffered) gets its outcome.
func (i *instance) beginRoll(cause control.Cause, app fcgisup.App, l worker.Launch, reply chan<- error, now time.Time) {
	switch {
	case i.phase == phaseLeaving:
		reply <- errStopped
		return
	case i.roll != nil:
		reply <- fmt.Errorf("%s is being restarted already", i.in)
		return
	}
	i.generation++
	i.configure(app, now)
	i.replaceTemplate(now)
	if i.phase == phaseSleeping {
		i.launch = l
		reply <- nil
		return
	}
	i.openQueue(now)
	i.roll = &roll{cause: cause, launch: l, todo: slices.Clone(i.slots), reply: reply, renews: true}
}

// configure applies all of a configuration but how workers are started.
func (i *instance) configure(app fcgisup.App, now time.Time) {
	aged := app.Limits.MaxAge != i.app.Limits.MaxAge
	if !app.Workers.Prefork.Equal(i.app.Workers.Prefork) {
		i.resetTemplate(now)
	}
	i.app = app
	for _, s := range i.slots {
		if aged && s.m.State == control.Ready {
			s.expiresAt = i.expiry(s.m.Since)
		}
	}
	i.recycleAt = i.planRecycle(now)
	i.planProbe(now)
	if app.Activation == fcgisup.Eager {
		i.wake(now)
	}
}

// runsOnly reports whether every worker was started like this.
func (i *instance) runsOnly(l worker.Launch) bool {
	return !slices.ContainsFunc(i.slots, func(s *slot) bool { return s.m.Up && !s.launch.Equal(l) })
}

func (i *instance) endRoll(err error) {
	if i.roll == nil {
		return
	}
	if i.roll.locked {
		i.common.recycleLock.done()
	}
	i.replies.add(i.roll.reply, err)
	i.roll = nil
}

// rollStep is what a roll does next.
type rollStep string

const (
	rollWaits   rollStep = "waits"   // for a worker
	rollPairs   rollStep = "pairs"   // starts a replacement
	rollSwaps   rollStep = "swaps"   // the replacement is ready: its predecessor may go
	rollAdvance rollStep = "advance" // the pair is done
	rollAborts  rollStep = "aborts"
	rollEnds    rollStep = "ends"
)

// step decides.
func (r *roll) step() rollStep {
	switch {
	case r.fresh == nil && len(r.todo) == 0:
		return rollEnds
	case r.fresh == nil:
		return rollPairs
	case r.fresh.m.Attempt > 1 || r.fresh.m.Attempt > 0 && !r.fresh.mayRetry:
		return rollAborts
	case !r.proven && r.fresh.m.State != control.Ready:
		return rollWaits
	case !r.proven:
		return rollSwaps
	case r.old != nil && r.old.m.State != control.Stopped:
		return rollWaits // one at a time
	}
	return rollAdvance
}

// rollPolicy does the next thing that the roll waits for, if it has come.
type rollPolicy struct{ *instance }

func (p rollPolicy) next() time.Time {
	if p.roll == nil || p.roll.step() == rollWaits {
		return time.Time{}
	}
	return immediately
}

func (p rollPolicy) run(now time.Time) {
	for p.roll != nil {
		r := p.roll
		switch r.step() {
		case rollEnds:
			p.launch = r.launch
			if r.todo = p.startedLate(); len(r.todo) > 0 {
				continue
			}
			p.endRoll(nil)
			p.planProbe(now) // it may be another program
		case rollPairs:
			p.beginPair(r, now)
		case rollAborts:
			p.abortRoll(r, now)
		case rollSwaps:
			r.proven, r.fresh.spare, r.renews = true, false, false
			p.launch = r.launch // the new generation works: what comes later is of it
			if r.old != nil {
				p.dispatch(r.old, worker.Event{Kind: worker.Stop, Cause: r.cause}, now)
			}
		case rollAdvance:
			r.old, r.fresh, r.proven = nil, nil, false
		case rollWaits:
			return
		}
	}
}

// startedLate are workers that the pool has grown by before the new generation was
// proven, and which were therefore started like the old one.
func (i *instance) startedLate() []*slot {
	var late []*slot
	for _, s := range i.slots {
		if s.m.Up && !s.launch.Equal(i.launch) {
			late = append(late, s)
		}
	}
	return late
}

// beginPair starts a replacement. A worker that is not ready serves no client, and goes at once.
func (i *instance) beginPair(r *roll, now time.Time) {
	s := r.todo[0]
	r.todo = r.todo[1:]
	if !s.m.Up || !slices.Contains(i.slots, s) {
		return
	}
	if s.m.State == control.Ready {
		r.old = s
	} else {
		i.dispatch(s, worker.Event{Kind: worker.Stop, Cause: r.cause}, now)
	}
	r.fresh = i.add(r.launch, now)
	r.fresh.spare = r.old != nil
}

// abortRoll leaves the old generation serving. A replacement that took no worker's place stays and is tried again.
func (i *instance) abortRoll(r *roll, now time.Time) {
	detail := "it ended before it was ready"
	if i.failure != nil {
		detail = i.failure.Detail
	}
	if r.fresh.spare {
		i.restoreTemplate(r, now)
		i.dispatch(r.fresh, worker.Event{Kind: worker.Kill, Cause: r.cause}, now)
	} else {
		i.launch = r.launch
	}
	i.log.Error("replacement did not come up, restart abandoned", "cause", r.cause, "detail", detail)
	i.endRoll(fmt.Errorf("%s: the replacement did not come up: %s", i.in, detail))
}
