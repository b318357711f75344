package load

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Share is one kind of request in a mix.
type Share struct {
	Name   string  // of its column
	Path   string  // with query
	Weight float64 // against the other shares'
}

// Plan is a load that depends on nothing that the service does. The same plan is the same sequence of requests.
type Plan struct {
	Rate     float64       // requests per second
	Duration time.Duration // for which requests are due; answers are waited for beyond it
	Timeout  time.Duration // of each request, from when it was sent; 0: 30 s
	Shares   []Share       // drawn by Seed
	Poisson  bool          // arrivals of independent clients; else evenly spaced
	Seed     uint64
	InFlight int // most requests at a time; 0: 10,000

	// Enough, when it is closed, ends the sending: what is not yet due is left out, what is under way has its time.
	Enough <-chan struct{}
}

const (
	defaultTimeout  = 30 * time.Second
	defaultInFlight = 10_000
)

// due is a request that will be sent at an offset from the beginning.
type due struct {
	at    time.Duration
	share int
}

// schedule is all of the plan's requests.
func (p Plan) schedule() []due {
	random := rand.New(rand.NewPCG(p.Seed, 0x6c6f6164))
	total := 0.0
	for _, share := range p.Shares {
		total += share.Weight
	}
	var all []due
	interval := float64(time.Second) / p.Rate
	for at, i := 0.0, 0; ; i++ {
		if p.Poisson {
			at += random.ExpFloat64() * interval
		} else {
			at = float64(i) * interval
		}
		if at >= float64(p.Duration) {
			return all
		}
		pick, share := random.Float64()*total, 0
		for pick -= p.Shares[0].Weight; pick >= 0 && share < len(p.Shares)-1; pick -= p.Shares[share].Weight {
			share++
		}
		all = append(all, due{time.Duration(at), share})
	}
}

// Run sends the plan's requests and returns when all have an outcome. If ctx ends, what is not yet due is left out and
// the rest fails at once.
func Run(ctx context.Context, client Client, p Plan) *Result {
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	if p.InFlight == 0 {
		p.InFlight = defaultInFlight
	}
	all := p.schedule()
	events := make([]Event, len(all))
	slots := make(chan struct{}, p.InFlight)
	var running sync.WaitGroup
	// A thread of its own: Go's timers are up to 1 ms late when nothing else runs, clock_nanosleep(2) some 50 µs.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin, origin := time.Now(), now()
	for i, d := range all {
		if !sleepUntil(ctx, p.Enough, origin+d.at) {
			events = events[:i]
			break
		}
		event := &events[i]
		*event = Event{At: d.at, Share: d.share}
		select {
		case slots <- struct{}{}:
		default:
			event.Kind = Unsent
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			limited, cancel := context.WithTimeout(ctx, p.Timeout)
			defer cancel()
			event.Kind = KindOf(client.Do(limited, p.Shares[d.share].Path))
			event.Took = time.Since(begin) - d.at
		})
	}
	running.Wait()
	return &Result{Plan: p, Began: begin, Events: events}
}

// now is CLOCK_MONOTONIC, which time.Time does not tell.
func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

// sleepUntil returns false if ctx ends or it is enough before. It looks each 50 ms, since a sleeping thread hears of
// nothing.
func sleepUntil(ctx context.Context, enough <-chan struct{}, at time.Duration) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-enough:
			return false
		default:
		}
		left := at - now()
		if left <= 0 {
			return true
		}
		ts := unix.NsecToTimespec(int64(now() + min(left, 50*time.Millisecond)))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
	}
}
