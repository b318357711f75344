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
	ready, suspect, probes lane
}

// lane serves who comes first first: batches that took turns would leave the first,
// large one waiting for all small ones that come after it, round by round.
type lane struct {
	room chan struct{}
	turn chan struct{} // is the batch's whose items enter
}

func newLane(atOnce int) lane {
	return lane{make(chan struct{}, atOnce), make(chan struct{}, 1)}
}

func newLanes() lanes {
	return lanes{newLane(askAtOnce), newLane(suspectAtOnce), newLane(probeAtOnce)}
}

// through calls do for each item, in goroutines, as many at a time as the lane
// has room for. It returns when the last has begun, or ctx has ended.
func through[T any](ctx context.Context, l lane, items []T, do func(T)) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-l.turn }()
	for _, item := range items {
		select {
		case l.room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			defer func() { <-l.room }()
			do(item)
		}()
	}
}
