package queue

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// simulation is a listening socket, its workers and its clients in virtual time. The
// queue is in order of arrival, so that what an arrival has to wait for is known when
// it comes, that of a refused one included.
type simulation struct {
	workers, backlog int
	wait             time.Duration
	length           time.Duration
	// arrivals is the rate per second at a time, service how long a request takes that
	// is begun then.
	arrivals func(time.Duration) float64
	service  func(time.Duration, *rand.Rand) time.Duration
	// bursts are connections that come at once.
	bursts map[time.Duration]int
	// every is the pause between looks; 100 ms unless set.
	every time.Duration
	seed  uint64
}

// request is what became of an arrival.
type request struct {
	at, wait, took time.Duration // took: with its service
	refused        bool
}

// look is what the control was at a moment.
type look struct {
	at            time.Duration
	length, limit int
	limited       bool
}

type outcome struct {
	requests []request
	looks    []look
}

// free is a heap of when each worker is free.
type free []time.Duration

func (f free) Len() int           { return len(f) }
func (f free) Less(a, b int) bool { return f[a] < f[b] }
func (f free) Swap(a, b int)      { f[a], f[b] = f[b], f[a] }
func (f *free) Push(x any)        { *f = append(*f, x.(time.Duration)) }
func (f *free) Pop() any {
	old := *f
	last := old[len(old)-1]
	*f = old[:len(old)-1]
	return last
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s simulation) run() outcome {
	var (
		random  = rand.New(rand.NewPCG(s.seed, 1))
		workers = make(free, s.workers)
		control Control
		out     outcome
		waiting []time.Duration // when each that waits is accepted
		seen    []time.Duration // those of the previous look
		limit   = s.backlog
		every   = cmp.Or(s.every, 100*time.Millisecond)
		next    = every
	)
	accept := func(now time.Duration) {
		for len(waiting) > 0 && waiting[0] <= now {
			waiting = waiting[1:]
		}
	}
	observe := func(now time.Duration) {
		accept(now)
		left := 0
		for _, start := range seen {
			if start <= now {
				left++
			}
		}
		seen = slices.Clone(waiting)
		limit = control.Observe(Sample{At: epoch.Add(now), Length: len(waiting), Left: left, Workers: s.workers, Backlog: s.backlog, Wait: s.wait})
		out.looks = append(out.looks, look{now, len(waiting), limit, control.Limited()})
	}
	for _, at := range s.times(random) {
		for ; next <= at; next += every {
			observe(next)
		}
		accept(at)
		start := max(workers[0], at)
		if len(waiting) > limit {
			out.requests = append(out.requests, request{at: at, wait: start - at, refused: true})
			continue
		}
		takes := s.service(start, random)
		workers[0] = start + takes
		heap.Fix(&workers, 0)
		if start > at {
			waiting = append(waiting, start)
		}
		out.requests = append(out.requests, request{at: at, wait: start - at, took: start - at + takes})
	}
	for ; next <= s.length+20*time.Second; next += every {
		observe(next)
	}
	return out
}

// times are when requests come: at random, with a rate that changes.
func (s simulation) times(random *rand.Rand) []time.Duration {
	var all []time.Duration
	most := 0.0
	for t := time.Duration(0); t < s.length; t += 10 * time.Millisecond {
		most = max(most, s.arrivals(t))
	}
	for t := 0.0; most > 0; {
		t += random.ExpFloat64() / most
		at := seconds(t)
		if at >= s.length {
			break
		}
		if random.Float64()*most < s.arrivals(at) {
			all = append(all, at)
		}
	}
	for at, n := range s.bursts {
		all = append(all, slices.Repeat([]time.Duration{at}, n)...)
	}
	slices.Sort(all)
	return all
}

func (o outcome) count(which func(request) bool) int {
	n := 0
	for _, r := range o.requests {
		if which(r) {
			n++
		}
	}
	return n
}

func (o outcome) refused() int { return o.count(func(r request) bool { return r.refused }) }

// early counts the refused requests that would have waited for less than d.
func (o outcome) early(d time.Duration) int {
	return o.count(func(r request) bool { return r.refused && r.wait < d })
}

// longest is the longest time that an admitted request took, of those that came in a time.
func (o outcome) longest(from, to time.Duration) time.Duration {
	var most time.Duration
	for _, r := range o.requests {
		if !r.refused && r.at >= from && r.at < to {
			most = max(most, r.took)
		}
	}
	return most
}

// rate is how many were answered per second within d, until the end of a time.
func (o outcome) rate(from, to, d time.Duration) float64 {
	n := o.count(func(r request) bool { return !r.refused && r.took <= d && r.at+r.took >= from && r.at+r.took < to })
	return float64(n) / (to - from).Seconds()
}

// opened is when the queue was open for good.
func (o outcome) opened() time.Duration {
	var at time.Duration
	for _, l := range o.looks {
		if l.limited {
			at = l.at
		}
	}
	return at
}

func steady(perSecond float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return perSecond }
}

func fixed(d time.Duration) func(time.Duration, *rand.Rand) time.Duration {
	return func(time.Duration, *rand.Rand) time.Duration { return d }
}

// between is a rate for a time, and another one outside.
func between(from, to time.Duration, inside, outside float64) func(time.Duration) float64 {
	return func(t time.Duration) float64 {
		if t >= from && t < to {
			return inside
		}
		return outside
	}
}

const forever = time.Duration(math.MaxInt64)
