package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// instance is one socket and the workers behind it. Its goroutine, run, owns
// everything below inbox; others reach it by post.
type instance struct {
	in   fcgisup.Instance
	host host
	opt  *Options
	// common is shared with the other instances of the process.
	common *common
	log    *slog.Logger
	// wakeAll, if set, is called when the first request comes.
	wakeAll func()
	// onChange is called after each step that others may see.
	onChange func()

	// policies are what it does by itself.
	policies []policy

	inbox chan func(now time.Time)
	// arrivals has room for the one that the listener is armed for.
	arrivals chan arrival
	done     chan struct{}
	status   atomic.Pointer[published]
	denial   atomic.Pointer[fcgisup.Denial]
	// settled is closed once a first worker is ready or has failed, or none is wanted.
	settled chan struct{}
	// begun is closed once run has done what was due at once: a request that waited
	// has a worker, or an attempt at one.
	begun chan struct{}

	ctx   context.Context // ends with run
	app   fcgisup.App
	phase phase
	// leaveBy is when workers are told to go although connections wait, queueAt when to see whether any do.
	leaveBy, queueAt time.Time
	// resumed begins run with the workers that a predecessor left.
	resumed bool
	// slept is set once the instance has gone back to sleep.
	slept     bool
	configErr string

	pool
	preforking
	health
	socket socketState
	sampler
	bound queueBound
	tally
	answers chan struct{}
	// replies wait until what they tell of is published.
	replies replies

	state control.InstanceState
	since time.Time
}

// inboxSize lets news wait while a worker is being forked.
const inboxSize = 64

func newInstance(in fcgisup.Instance, app fcgisup.App, l worker.Launch, h host, opt *Options, shared *common) *instance {
	i := &instance{
		in:       in,
		host:     h,
		opt:      opt,
		common:   shared,
		log:      opt.Log.With("app", in.App, "instance", in.Number),
		inbox:    make(chan func(time.Time), inboxSize),
		arrivals: make(chan arrival, 1),
		done:     make(chan struct{}),
		settled:  make(chan struct{}),
		begun:    make(chan struct{}),
		app:      app,
		phase:    phaseSleeping,
		pool:     pool{launch: l, generation: 1},
		tally:    newTally(),
		answers:  make(chan struct{}, maxAnswers),
		state:    control.Sleeping,
		since:    time.Now(),
		onChange: func() {},
	}
	i.policies = newPolicies(i)
	return i
}

// run is the instance's life: it returns when ctx has ended and every worker is gone.
func (i *instance) run(ctx context.Context) {
	defer close(i.done)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	i.ctx = work
	i.socket.at = time.Now()
	i.begin(time.Now())
	expected := i.phase == phaseSleeping && i.watching && i.host.pending()
	timer := time.NewTimer(0)
	defer timer.Stop()
	ending := ctx.Done()
	for {
		if i.phase == phaseSuspended {
			i.closeTemplates() // the successor makes its own
			return
		}
		now := time.Now()
		i.runDue(now)
		if !expected || i.phase != phaseSleeping {
			closeOnce(i.begun)
		}
		i.publish(now)
		i.replies.send()
		if i.over() {
			i.host.KillDaemonized()
			i.settle()
			return
		}
		timer.Reset(wait(now, i.nextDue()))
		select {
		case f := <-i.inbox:
			f(time.Now())
		case a := <-i.arrivals:
			i.arrive(a, time.Now())
		case <-timer.C:
		case <-ending:
			ending = nil
			i.leave(time.Now())
		}
	}
}

// over reports whether run has nothing left to do: told to end, or asleep where
// something else waits for the next connection.
func (i *instance) over() bool {
	if len(i.slots) > 0 || i.templates > 0 {
		return false
	}
	return i.phase == phaseLeaving || i.opt.ExitAsleep && i.slept && i.phase == phaseSleeping
}

// wait is how long until t; a zero t is never.
func wait(now, t time.Time) time.Duration {
	if t.IsZero() {
		return math.MaxInt64
	}
	return max(t.Sub(now), 0)
}

// post has f run by the instance's goroutine; it is dropped when that has ended.
func (i *instance) post(f func(now time.Time)) {
	select {
	case i.inbox <- f:
	case <-i.done:
	}
}

// do runs f in the instance's goroutine and waits for it.
func (i *instance) do(ctx context.Context, f func(now time.Time)) error {
	finished := make(chan struct{})
	select {
	case i.inbox <- func(now time.Time) { f(now); close(finished) }:
	case <-i.done:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-finished:
		return nil
	case <-i.done:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopped = errors.New("the instance has stopped")

func (i *instance) begin(now time.Time) {
	if i.resumed {
		i.resume(now)
		return
	}
	if i.app.Activation == fcgisup.Eager || i.opt.Awake {
		i.wake(now)
		return
	}
	if !i.host.pending() {
		i.settle()
	}
	i.watch()
}

// arrival is news of the listener: something has come, or nothing will be heard any more.
type arrival struct {
	at  time.Time
	err error
}

// watch arms the listener; when it tells, a sleeping instance wakes and a
// failing one begins to measure how long requests wait.
func (i *instance) watch() {
	if !i.mayWatch() {
		return
	}
	i.watching = true
	err := i.host.arm(func(err error) {
		select {
		case i.arrivals <- arrival{time.Now(), err}:
		default: // one is enough
		}
	})
	if err != nil {
		i.arrive(arrival{time.Now(), err}, time.Now())
	}
}

// mayWatch reports whether watch has something to do.
func (i *instance) mayWatch() bool { return !i.watching && !i.blind && !i.socket.shut }

func (i *instance) arrive(a arrival, now time.Time) {
	i.watching = false
	if a.err != nil { // without a watch the instance must stay awake and take samples
		i.blind = true
		i.log.Error("cannot wait for connections, staying awake", "error", a.err)
		i.wake(now)
		i.sampleAt = now
		return
	}
	if i.phase == phaseLeaving {
		return
	}
	if i.host.shut() {
		i.checkSocket(now)
		if i.phase == phaseSleeping {
			i.watch()
		}
	} else if i.phase == phaseSleeping {
		i.log.Info("first request")
		i.wake(now)
		if i.wakeAll != nil {
			i.wakeAll()
		}
	}
	if !i.fromProbe(a.at) {
		i.activeAt = now
	}
	if i.phase == phaseAwake {
		i.sampleAt = now
	}
}

func (i *instance) wake(now time.Time) {
	if i.phase != phaseSleeping {
		return
	}
	i.phase = i.phase.after(eventWake)
	i.cold = cold{on: i.app.Activation != fcgisup.Eager, since: now, finished: i.board.Finished}
	i.want = max(i.app.Workers.Min, 1) + i.app.Workers.Spare
	i.sampleAt, i.activeAt = now, now
}

// settle says that the outcome of the beginning is known.
func (i *instance) settle() { closeOnce(i.settled) }

// closeOnce is for a channel that one goroutine closes.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// add makes a slot and starts it.
func (i *instance) add(l worker.Launch, now time.Time) *slot {
	s := &slot{m: worker.Machine{State: control.Stopped}, launch: l, generation: i.generation}
	i.slots = append(i.slots, s)
	i.dispatch(s, worker.Event{Kind: worker.Start}, now)
	return s
}

// ready reports whether any worker accepts.
func (i *instance) ready() bool {
	return slices.ContainsFunc(i.slots, func(s *slot) bool { return s.m.State == control.Ready })
}

// alive reports whether any worker has a process.
func (i *instance) alive() bool {
	return slices.ContainsFunc(i.slots, func(s *slot) bool { return s.m.Alive() })
}

func (i *instance) limits() worker.Limits {
	return worker.Limits{
		Start: i.app.Limits.StartTimeout,
		Stop:  i.app.Limits.StopTimeout,
		Pause: i.app.Restart.Delay,
		Delay: func(n int) time.Duration { return jitter(delay(i.app.Restart, n), rand.Float64()) },
	}
}

// delay is the wait after n failures in a row.
func delay(r fcgisup.Restart, n int) time.Duration {
	d := float64(r.Delay) * math.Pow(r.Factor, float64(n-1))
	return time.Duration(min(d, float64(r.MaxDelay)))
}

// jitter takes up to a tenth off, so that what failed together does not try
// together, and max_delay stays the longest.
func jitter(d time.Duration, random float64) time.Duration {
	return d - time.Duration(float64(d)*0.1*random)
}

// line gets a worker's output, on a goroutine of its own.
func (i *instance) line(text string) {
	i.noteDenial(text, time.Now())
	i.opt.Output(i.in, text)
}
