package queue

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

// TestOverload is twice the capacity for half a minute: all that the workers can do is
// answered in time, and soon after it all is as before.
func TestOverload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wait, longest time.Duration
		inTime        float64
		recovery      time.Duration
	}{{700 * ms, 1400 * ms, 95, 2 * time.Second}, {2 * time.Second, 3500 * ms, 0, 4 * time.Second}, {0, forever, 0, forever}} {
		t.Run(c.wait.String(), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(5) {
				const length = 30 * time.Second
				o := simulation{
					workers: 4, backlog: 4096, wait: c.wait, length: 2 * length, seed: seed,
					arrivals: between(0, length, 200, 2), service: fixed(40 * ms),
				}.run()
				if answered := o.rate(0, length, forever); answered < 97 {
					t.Errorf("%.1f answers per second of 100", answered)
				}
				if inTime := o.rate(0, length, time.Second); inTime < c.inTime {
					t.Errorf("%.1f answers in time per second, want %v", inTime, c.inTime)
				}
				if took := o.longest(0, length); took > c.longest {
					t.Errorf("an answer took %v, want %v at most", took, c.longest)
				}
				if took := o.longest(length+c.recovery, forever); c.wait > 0 && took > 5*40*ms {
					t.Errorf("an answer took %v, %v after the overload", took, c.recovery)
				}
				if n := o.early(c.wait); n > 0 {
					t.Errorf("%d were refused that would have waited for less than %v", n, c.wait)
				}
				if c.wait == 0 && o.refused() > 0 {
					t.Errorf("%d were refused although the limit is off", o.refused())
				}
			}
		})
	}
}

// TestSlowPrograms are overloaded too: workers stay busy, waits stay bounded, and what is
// refused would have waited for too long.
func TestSlowPrograms(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4, 16} {
		for _, service := range []time.Duration{200 * ms, time.Second, 3 * time.Second, 10 * time.Second} {
			for _, factor := range []float64{2, 5} {
				t.Run(fmt.Sprintf("%d workers of %v at %v times the capacity", workers, service, factor), func(t *testing.T) {
					t.Parallel()
					const wait, length = 2 * time.Second, 10 * time.Minute
					capacity := float64(workers) / service.Seconds()
					o := simulation{
						workers: workers, backlog: 4096, wait: wait, length: length, seed: 1,
						arrivals: steady(factor * capacity), service: fixed(service),
					}.run()
					if n := o.early(wait); n > 0 {
						t.Errorf("%d were refused that would have waited for less than %v", n, wait)
					}
					if answered := o.rate(length/10, length, forever); answered < 0.95*capacity {
						t.Errorf("%.3f answers per second of %.3f", answered, capacity)
					}
					// What drains within ten seconds is let in, and then one more per worker.
					most := drains + interval(Sample{Wait: wait}) + 5*service
					if factor == 5 {
						most *= 4 // what comes while it is not known yet how long the queue stands
					}
					if took := o.longest(0, length); took > most {
						t.Errorf("an answer took %v, want %v at most", took, most)
					}
				})
			}
		}
	}
}

// TestNinetyPercent is ten minutes of random arrivals at nine tenths of the capacity.
func TestNinetyPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		workers int
		service time.Duration
		wait    time.Duration
	}{
		{4, 40 * ms, 2 * time.Second},
		{4, 40 * ms, 700 * ms},
		{1, 40 * ms, 2 * time.Second},
		{8, 20 * ms, 700 * ms},
		{4, 200 * ms, 2 * time.Second},
		{1, 100 * ms, 2 * time.Second},
		{1, 200 * ms, 2 * time.Second},
		{16, time.Second, 2 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d workers of %v, %v", c.workers, c.service, c.wait), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				o := simulation{
					workers: c.workers, backlog: 4096, wait: c.wait, length: 10 * time.Minute, seed: seed,
					arrivals: steady(0.9 * float64(c.workers) / c.service.Seconds()), service: fixed(c.service),
				}.run()
				if n := o.refused(); n > 0 {
					t.Errorf("%d of %d were refused with seed %d", n, len(o.requests), seed)
				}
			}
		})
	}
}

// TestBursts drain within ten seconds: nothing of them is refused, up to the backlog.
func TestBursts(t *testing.T) {
	t.Parallel()
	halt := func(d time.Duration) func(time.Duration, *rand.Rand) time.Duration {
		return func(at time.Duration, _ *rand.Rand) time.Duration {
			if at >= 30*time.Second && at < 30*time.Second+d {
				return 30*time.Second + d - at
			}
			return 40 * ms
		}
	}
	for name, s := range map[string]simulation{
		"nine seconds' worth at once":                   {bursts: map[time.Duration]int{30 * time.Second: 900}, arrivals: steady(5)},
		"four seconds' worth on half a load":            {bursts: map[time.Duration]int{30 * time.Second: 400}, arrivals: steady(50)},
		"one burst after another":                       {bursts: map[time.Duration]int{20 * time.Second: 400, 30 * time.Second: 400, 40 * time.Second: 400}, arrivals: steady(50)},
		"five times the capacity for a second":          {arrivals: between(30*time.Second, 31*time.Second, 500, 50)},
		"five times the capacity for a second and half": {arrivals: between(30*time.Second, 31500*ms, 500, 20)},
		"workers halt for two seconds":                  {service: halt(2 * time.Second), arrivals: steady(80)},
		"workers halt for five seconds":                 {service: halt(5 * time.Second), arrivals: steady(50)},
		"workers halt for nine seconds":                 {service: halt(9 * time.Second), arrivals: steady(50)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.workers, s.backlog, s.wait, s.length = 4, 4096, 2*time.Second, 90*time.Second
			if s.service == nil {
				s.service = fixed(40 * ms)
			}
			for s.seed = range 5 {
				if n := s.run().refused(); n > 0 {
					t.Errorf("%d were refused with seed %d", n, s.seed)
				}
			}
		})
	}
}

// TestServiceTimesJump by a factor of ten, under a load between the two capacities.
func TestServiceTimesJump(t *testing.T) {
	t.Parallel()
	const wait = 2 * time.Second
	for seed := range uint64(5) {
		o := simulation{
			workers: 4, backlog: 4096, wait: wait, length: 2 * time.Minute, seed: seed, arrivals: steady(50),
			service: func(at time.Duration, _ *rand.Rand) time.Duration {
				if at > 30*time.Second && at < time.Minute {
					return 400 * ms
				}
				return 40 * ms
			},
		}.run()
		if n := o.count(func(r request) bool { return r.refused && r.at > time.Minute+2*time.Second }); n > 0 {
			t.Errorf("%d were refused after the workers had become fast again", n)
		}
		if took := o.longest(45*time.Second, time.Minute); took > wait+time.Second+4*400*ms {
			t.Errorf("an answer took %v while the workers were slow", took)
		}
		if n := o.opened(); n > time.Minute+6*time.Second {
			t.Errorf("the queue was limited until %v", n)
		}
	}
}

// TestSamplesAreRare has looks at the kernel as seldom as they get with a thousand
// instances in a process: the queue does not rot, and what would have been served in
// time is let in.
func TestSamplesAreRare(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{250 * ms, time.Second, 4 * time.Second} {
		o := simulation{
			workers: 4, backlog: 4096, wait: 2 * time.Second, length: 3 * time.Minute, seed: 1, every: every,
			arrivals: steady(200), service: fixed(40 * ms),
		}.run()
		if n := o.early(1900 * ms); n > 0 {
			t.Errorf("%v: %d were refused that would have waited for less than 2s", every, n)
		}
		if took := o.longest(0, forever); took > 5*time.Second+3*every {
			t.Errorf("%v: an answer took %v", every, took)
		}
	}
}

// TestObserve is a table of what each rule is for. A sample is 100 ms after the one before.
func TestObserve(t *testing.T) {
	t.Parallel()
	type step struct{ length, left, samples int }
	grow := func(n int) (all []step) { // by ten each, while ten are served
		for i := range n {
			all = append(all, step{10 * (i + 1), 10, 1})
		}
		return all
	}
	drain := func(n int) (all []step) { // by five each, while ten are served
		for i := range n {
			all = append(all, step{440 - 5*i, 10, 1})
		}
		return all
	}
	for _, c := range []struct {
		name  string
		steps []step
		want  int
	}{
		{"an empty queue is open", []step{{0, 0, 50}}, 4096},
		{"one that has just begun to grow is open", grow(15), 4096},
		{"one that grows for longer than queue_wait is limited to what is served in it", grow(25), 200},
		{"one that drains within ten seconds is open", drain(25), 4096},
		{"one as long as before is limited", []step{{440, 10, 25}}, 200},
		{"one from which nothing leaves is a stall", []step{{100, 0, 50}, {400, 0, 40}}, 4096},
		{"a stall of ten seconds is none", []step{{100, 0, 50}, {400, 0, 70}}, 4},
		{"a limited queue stays limited while it stands", append(grow(25), step{200, 10, 100}), 200},
		{"and is open after it was empty for an interval", append(append(grow(25), step{200, 10, 20}), step{0, 0, 21}), 4096},
		{"not at once", append(append(grow(25), step{200, 10, 20}), step{0, 0, 10}), 200},
		{"workers that become faster have more wait", append(grow(25), step{200, 20, 30}), 400},
		{"what turns over between samples does not wait", append(grow(25), step{200, 200, 3}), 4096},
		{"slow workers have one each", []step{{1, 0, 1}, {8, 0, 20}, {8, 1, 1}, {9, 0, 20}, {9, 1, 1}, {10, 0, 20}, {10, 1, 1}, {20, 0, 20}, {20, 1, 1}}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var control Control
			at, got := epoch, 0
			for _, s := range c.steps {
				for range s.samples {
					at = at.Add(100 * ms)
					got = control.Observe(Sample{At: at, Length: s.length, Left: s.left, Workers: 4, Backlog: 4096, Wait: 2 * time.Second})
				}
			}
			if got != c.want {
				t.Errorf("limit %d, want %d", got, c.want)
			}
		})
	}
}

// FuzzObserve feeds samples as no queue makes them.
func FuzzObserve(f *testing.F) {
	f.Add([]byte{1, 200, 10, 1, 200, 10, 1, 250, 3}, uint16(4), uint16(4096), uint16(2000))
	f.Add([]byte{255, 255, 0, 0, 0, 0, 10, 1, 1}, uint16(1000), uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, workers, backlog, wait uint16) {
		s := Sample{At: epoch, Workers: max(int(workers), 1), Backlog: max(int(backlog), 1), Wait: time.Duration(wait) * ms}
		var c Control
		check := func() int {
			limit := c.Observe(s)
			if limit < min(s.Workers, s.Backlog) || limit > s.Backlog {
				t.Fatalf("limit %d with %d workers and a backlog of %d", limit, s.Workers, s.Backlog)
			}
			if limit != s.Backlog && !c.Limited() {
				t.Fatalf("limit %d of an open queue", limit)
			}
			return limit
		}
		for ; len(data) >= 3; data = data[3:] {
			s.At = s.At.Add(time.Duration(data[0]) * 10 * ms)
			s.Length, s.Left = int(data[1])*int(data[1]), int(data[2])*int(data[2])
			check()
		}
		s.Length, s.Left = 0, 0
		for until := s.At.Add(interval(s)); !s.At.After(until); s.At = s.At.Add(100 * ms) {
			check()
		}
		if limit := check(); limit != s.Backlog {
			t.Fatalf("limit %d of %d after an empty queue for an interval", limit, s.Backlog)
		}
	})
}
