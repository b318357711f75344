package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Run performs the schedule of a seed, or a replay, and judges what happened. A
// broken promise is in the report, not in the error: that is for what kept the
// run from being one.
func Run(ctx context.Context, opt Options) (Report, error) {
	report, err := once(ctx, opt)
	if err != nil || !report.Failed() || opt.Replays == 0 {
		return report, err
	}
	rule := report.Violations[0].Rule
	steps := until(report.Steps, report.Violations[0].At)
	report.Trace = Shrink(steps, opt.Replays, func(part []Step) bool {
		again := opt
		again.Replay, again.Log = part, nil
		r, err := once(ctx, again)
		fails := err == nil && slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Rule == rule })
		if opt.Log != nil {
			fmt.Fprintf(opt.Log, "replayed %d of %d steps: the rule %q is broken again: %v\n", len(part), len(steps), rule, fails)
		}
		return fails && ctx.Err() == nil
	})
	return report, ctx.Err()
}

// until are the steps that may be to blame for what was seen at that moment.
func until(all []Performed, at time.Duration) []Step {
	var steps []Step
	for _, s := range all {
		if s.Skipped == "" && s.At <= at {
			steps = append(steps, s.Step)
		}
	}
	return steps
}

// once is one fleet from its start to its end.
func once(ctx context.Context, opt Options) (_ Report, err error) {
	f := newFleet(opt)
	defer func() {
		if errClose := f.close(); errClose != nil {
			err = errors.Join(err, fmt.Errorf("cannot clean up: %w", errClose))
		}
	}()
	if err := f.start(ctx); err != nil {
		return Report{}, err
	}
	f.load = newLoad(f.rec)
	f.beginLoad(ctx)
	watched, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	for _, m := range f.members {
		go f.watch(watched, m)
	}
	go f.watchMachine(watched)
	sleep(ctx, 300*time.Millisecond)
	p := &performer{f: f}
	f.steps(ctx, p)
	steps := p.wait()
	f.finish(ctx, stopWatching)
	return f.report(steps), ctx.Err()
}

func (f *fleet) beginLoad(ctx context.Context) {
	apps := map[string]bool{}
	for _, m := range f.members {
		for _, t := range m.targets {
			if m.app == "hog" {
				f.load.plain(ctx, m.name, t)
			} else {
				f.load.direct(ctx, m.name, t)
			}
		}
		if m.spec.nginx && f.nginx != nil && !apps[m.app] {
			apps[m.app] = true
			f.load.throughNginx(ctx, m.app, siteSocket(f.dir, m.app))
		}
	}
}

func (f *fleet) steps(ctx context.Context, p *performer) {
	if f.opt.Replay != nil {
		for _, s := range f.opt.Replay {
			if ctx.Err() == nil {
				p.perform(ctx, s)
			}
		}
		return
	}
	schedule := NewSchedule(f.opt.Seed)
	for f.rec.now() < f.opt.Time && ctx.Err() == nil {
		p.perform(ctx, schedule.Next())
	}
}

func (f *fleet) report(steps []Performed) Report {
	slices.SortFunc(steps, func(a, b Performed) int { return int(a.At - b.At) })
	h := f.rec.history()
	r := Report{Seed: f.opt.Seed, Took: f.rec.now(), Steps: steps, Absent: f.absent, Requests: map[string]map[Outcome]int{}, Gaps: gaps(h)}
	for _, q := range h.Requests {
		if r.Requests[q.Member] == nil {
			r.Requests[q.Member] = map[Outcome]int{}
		}
		r.Requests[q.Member][q.Outcome]++
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Violations = slices.Concat(Judge(h), f.violations)
	slices.SortStableFunc(r.Violations, func(a, b Violation) int { return int(a.At - b.At) })
	for n := range r.Violations {
		if v := &r.Violations[n]; v.Evidence == "" {
			if m := f.member(v.Member); m != nil {
				at := f.rec.began.Add(v.At)
				v.Evidence = m.keeper.log(at.Add(-recently), at.Add(grace))
			}
		}
	}
	return r
}

// gaps are the longest times without an answer, from the first to the last of them.
func gaps(h History) map[string]time.Duration {
	ends := map[string][]time.Duration{}
	for _, q := range h.Requests {
		if q.Outcome == Answered {
			ends[q.Member] = append(ends[q.Member], q.End)
		}
	}
	longest := map[string]time.Duration{}
	for member, all := range ends {
		slices.Sort(all)
		for n := 1; n < len(all); n++ {
			longest[member] = max(longest[member], all[n]-all[n-1])
		}
	}
	return longest
}
