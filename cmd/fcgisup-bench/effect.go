package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

const (
	effectLook  = 20 * time.Millisecond // between two looks: each costs some processor time, beside a load that is measured
	effectLimit = 5 * time.Second       // on the wait after the command's end
)

var errNotLookedFor = errors.New("not looked for: an upgrade is of the manager, which may keep its process and its workers")

// outcome is what became of an action.
type outcome struct {
	begin, end time.Time     // of its commands, the way back included
	took       time.Duration // its commands alone
	err        error         // of a command
	effect     time.Duration // from its begin, if nothing is missing
	missing    error
}

// carryOut does what an action is, and looks whether anything came of it: a command that does nothing loses nothing.
// The way back is begun when the way there has been seen.
func carryOut(ctx context.Context, s *peers.Service, op peers.Op, action peers.Action) outcome {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	o := outcome{begin: time.Now()}
	seen := make(chan struct{})
	missing := s.Expect(op)
	go func() {
		defer close(seen)
		o.effect, o.missing = look(watching, missing)
	}()
	o.err = action.Do(ctx)
	o.end = time.Now()
	o.took = o.end.Sub(o.begin)
	limit := time.AfterFunc(effectLimit, cancel)
	defer limit.Stop()
	if o.err != nil {
		cancel()
	}
	<-seen
	if action.Back == nil || o.err != nil {
		return o
	}
	back := time.Now()
	o.err = action.Back(ctx)
	o.end = time.Now()
	o.took += o.end.Sub(back)
	return o
}

// look asks until nothing is missing or ctx ends.
func look(ctx context.Context, missing func() string) (after time.Duration, err error) {
	if missing == nil {
		return 0, errNotLookedFor
	}
	for begin := time.Now(); ; pause(ctx, effectLook) {
		ended := ctx.Err() != nil
		what := missing()
		if what == "" {
			return time.Since(begin), nil
		}
		if ended {
			return 0, fmt.Errorf("no effect seen (%v after the command): %s", effectLimit, what)
		}
	}
}

// cell is when the effect was seen.
func (o outcome) cell() report.Cell {
	if o.missing != nil {
		return report.Because(o.missing.Error())
	}
	return report.Number(milliseconds(o.effect), "")
}
