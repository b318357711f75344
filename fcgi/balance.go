package fcgi

import (
	"iter"
	"sync"
)

// balance counts the requests in flight per backend.
type balance struct {
	mu       sync.Mutex
	inFlight []int
	next     int // where a search begins, so that equals take turns
}

// choose yields each of n backends at most once, the least busy of the rest first, and
// counts it as busy until its release is called. Every release must be called.
func (b *balance) choose(n int) iter.Seq2[int, func()] {
	return func(yield func(int, func()) bool) {
		tried := make([]bool, n)
		for range n {
			i := b.take(tried)
			tried[i] = true
			if !yield(i, func() { b.release(i) }) {
				return
			}
		}
	}
}

// take needs at least one untried backend.
func (b *balance) take(tried []bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.inFlight) < len(tried) {
		b.inFlight = append(b.inFlight, make([]int, len(tried)-len(b.inFlight))...)
	}
	best := -1
	for k := range tried {
		i := (b.next + k) % len(tried)
		if !tried[i] && (best < 0 || b.inFlight[i] < b.inFlight[best]) {
			best = i
		}
	}
	b.next = (best + 1) % len(tried)
	b.inFlight[best]++
	return best
}

func (b *balance) release(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight[i]--
}
