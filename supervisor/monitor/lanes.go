package monitor

import "context"

const (
	askAtOnce     = 16
	suspectAtOnce = 4
	probeAtOnce   = 16
)

// lanes bound how much is asked at a time. What did not answer the last time
// has a lane of its own: it holds up only its like.
type lanes struct {
	ready, suspect, probes chan struct{}
}

func newLanes() lanes {
	return lanes{make(chan struct{}, askAtOnce), make(chan struct{}, suspectAtOnce), make(chan struct{}, probeAtOnce)}
}

// through calls do for each item, in goroutines, as many at a time as the lane
// has room for. It returns when the last has begun, or ctx has ended.
func through[T any](ctx context.Context, lane chan struct{}, items []T, do func(T)) {
	for _, item := range items {
		select {
		case lane <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			defer func() { <-lane }()
			do(item)
		}()
	}
}
