package monitor

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLaneIsAQueue: who comes later waits for all who came before, however many
// small batches follow a large one.
func TestLaneIsAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(2)
		var mu sync.Mutex
		var begun []int
		item := 0
		for _, batch := range []int{10, 1, 2} {
			var items []int
			for range batch {
				items = append(items, item)
				item++
			}
			go through(t.Context(), l, items, func(n int) {
				mu.Lock()
				begun = append(begun, n)
				mu.Unlock()
				time.Sleep(time.Second)
			})
			wait(time.Millisecond)
		}
		wait(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		last := 0
		for _, n := range begun {
			if n < last-1 { // two begin at a time
				t.Errorf("%d begins after %d", n, last)
			}
			last = max(last, n)
		}
		if len(begun) != item {
			t.Errorf("%v of %d have begun", begun, item)
		}
	})
}
