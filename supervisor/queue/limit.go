package queue

import (
	"math"
	"time"
)

const (
	// leastInterval is the shortest time that a queue has to stand before it is limited,
	// and has to be short before it is open again; a longer Wait is that time itself.
	leastInterval = time.Second
	// drains is the time within which a burst drains: it is not refused.
	drains = 10 * time.Second
	// Random arrivals at nine tenths of the capacity make long queues too: of one worker
	// with requests of equal length, more than n wait with a probability of about
	// exp(-0.22 n). From fewConnections on that is a second in some days; below it, what
	// waits must outnumber firstConnections and grownBy of what has left since the queue
	// was empty, which takes arrivals of more than 1.4 times the capacity.
	fewConnections   = 64
	firstConnections = 16
	grownBy          = 0.375
	// longServed many requests are served while a queue is above the limit, before that
	// counts as standing whatever its length.
	longServed = 1000
	// turnedFast samples in a row before each of which the whole queue has left show that
	// none of it waits for longer than two of them.
	turnedFast = 2
	// hysteresis is the share of the limit by which it has to fall to be set.
	hysteresis = 1.0 / 16
)

// Sample is one look at a listening socket.
type Sample struct {
	At time.Time
	// Length is how many connections wait, those included whose clients have gone: a
	// worker meets them as well. Left is how many have left since the previous sample.
	Length, Left int
	// Workers is how many serve the queue, Backlog the limit while the queue does not stand.
	Workers, Backlog int
	// Wait is how long a request may expect to wait in a standing queue.
	Wait time.Duration
}

// Control is the state between samples; its zero value is that of an open queue.
type Control struct {
	rate  rate
	limit int // 0: open
	last  Sample
	// standing is since when the queue has not been empty and connections have been
	// leaving it; left counts those. Zero: it is empty.
	standing time.Time
	left     int
	// leftAt is when the last one left, usual is how long it takes at most, as far as was
	// known then, until the next one does.
	leftAt time.Time
	usual  time.Duration
	// over is since when the expected wait is too long, short is since when a limited
	// queue is less than half full. Zero: it is not.
	over, short time.Time
	// turned counts the samples in a row before which the whole queue has left.
	turned int
}

// Limited reports whether the queue is limited.
func (c *Control) Limited() bool { return c.limit > 0 }

// Rate is how many connections leave the queue per second while any wait, as far as
// that has been measured.
func (c *Control) Rate() float64 { return c.rate.best() }

// Observe adds a sample and returns the limit, between s.Workers and s.Backlog. The
// kernel lets in one connection more than it says, so that what is refused would have
// waited for longer than s.Wait.
func (c *Control) Observe(s Sample) int {
	before := c.last
	c.last = s
	if before.Length > 0 && s.Length > 0 && s.At.After(before.At) {
		c.rate.add(s.At, s.At.Sub(before.At), s.Left, s.Length)
	} else {
		c.rate.pause(s.At)
	}
	c.follow(before, s)
	if s.Wait <= 0 {
		*c = Control{last: s}
		return s.Backlog
	}
	if c.turned >= turnedFast { // what waits now has come since the sample before the last
		c.limit, c.over, c.short = 0, time.Time{}, time.Time{}
	} else if c.limit > 0 {
		c.steer(s)
	} else if c.stands(s) {
		c.limit, c.short = c.target(s), time.Time{}
	}
	if c.limit > 0 {
		return c.limit
	}
	return s.Backlog
}

// follow keeps what is known of the present standing queue.
func (c *Control) follow(before, s Sample) {
	if s.Length == 0 {
		c.standing, c.left, c.over, c.turned = time.Time{}, 0, time.Time{}, 0
		return
	}
	switch {
	case c.standing.IsZero():
		c.standing, c.leftAt, c.left, c.usual = s.At, s.At, 0, c.pause(s.Workers)
	case s.Left > 0:
		if halted := before.At.Sub(c.leftAt); halted > c.usual && halted < drains {
			c.standing, c.over = s.At, time.Time{} // it is open whether the queue drains now
		}
		c.leftAt, c.usual = s.At, c.pause(s.Workers)
		c.left += s.Left
	}
	switch {
	case before.Length == 0 || s.Left < before.Length:
		c.turned = 0
	case before.Length > s.Workers && s.At.Sub(before.At) >= s.Wait/2:
		c.turned = turnedFast // samples are too rare to know how many more have left
	default:
		c.turned++
	}
}

// pause is the longest usual time without a departure; a longer one is a stall (a lock,
// a database that restarts), whose end cannot be foreseen. Workers that began
// together end together, so it is more than the time of a request.
func (c *Control) pause(workers int) time.Duration {
	r := c.rate.best()
	if r == 0 {
		return leastInterval
	}
	return max(leastInterval, seconds(float64(max(4, 2*workers))/r))
}

// stands reports whether a queue that is open has to be limited.
func (c *Control) stands(s Sample) bool {
	perSecond := c.rate.best()
	if perSecond == 0 {
		perSecond = 1 / drains.Seconds() // at most: see below
	}
	n := float64(s.Length)
	if n <= float64(s.Workers) || n <= perSecond*s.Wait.Seconds() {
		c.over = time.Time{}
		return false
	}
	if c.over.IsZero() {
		c.over = s.At
	}
	if s.Length == 0 || s.At.Sub(c.standing) < interval(s) {
		return false
	}
	if s.Left == 0 && s.At.Sub(c.leftAt) < drains {
		return false // it is judged when something leaves
	}
	if n > perSecond*drains.Seconds() {
		return true
	}
	if s.At.Sub(c.over) >= max(drains, seconds(longServed/perSecond)) {
		return true
	}
	return n > min(fewConnections, firstConnections+grownBy*float64(c.left)) && !c.rate.drains(s.At, interval(s), s.Length, drains)
}

// steer sets the limit of a limited queue, or opens it.
func (c *Control) steer(s Sample) {
	if s.Length > c.limit/2 {
		c.short = time.Time{}
	} else if c.short.IsZero() {
		c.short = s.At
	}
	if !c.short.IsZero() && s.At.Sub(c.short) >= interval(s) {
		c.limit, c.short, c.over = 0, time.Time{}, time.Time{}
		return
	}
	n := c.target(s)
	stalled := s.Left == 0 && s.At.Sub(c.leftAt) < drains
	lower := float64(n) < float64(c.limit)*(1-hysteresis) && !stalled
	if n > c.limit || lower || c.limit > s.Backlog || c.limit < min(s.Workers, s.Backlog) {
		c.limit = n
	}
}

// target is how many connections are served within s.Wait.
func (c *Control) target(s Sample) int {
	n := math.Ceil(c.rate.best()*s.Wait.Seconds() - 1e-6) // less what is a rounding error
	return int(min(max(n, float64(s.Workers), 1), float64(s.Backlog)))
}

func interval(s Sample) time.Duration { return max(s.Wait, leastInterval) }

func seconds(s float64) time.Duration {
	return time.Duration(min(s, math.MaxInt64/float64(2*time.Second)) * float64(time.Second))
}
