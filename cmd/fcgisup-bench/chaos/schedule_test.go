package chaos

import (
	"slices"
	"testing"
	"time"
)

func drawn(seed uint64, n int) []Step {
	s := NewSchedule(seed)
	var steps []Step
	for range n {
		steps = append(steps, s.Next())
	}
	return steps
}

// TestScheduleRepeats: a seed names a schedule, and another seed another.
func TestScheduleRepeats(t *testing.T) {
	if !slices.Equal(drawn(7, 500), drawn(7, 500)) {
		t.Error("the same seed gave two schedules")
	}
	if slices.Equal(drawn(7, 500), drawn(8, 500)) {
		t.Error("two seeds gave the same schedule")
	}
}

// TestScheduleIsWide: all kinds and members come, for as long as they should, settled and not.
func TestScheduleIsWide(t *testing.T) {
	kinds, members, settled := map[Kind]int{}, map[string]int{}, 0
	longest := map[Kind]time.Duration{}
	for _, tr := range traits() {
		longest[tr.kind] = tr.least + tr.extra
	}
	steps := drawn(1, 5000)
	for _, s := range steps {
		kinds[s.Kind]++
		members[s.Member]++
		if s.Settle {
			settled++
		}
		if s.Hold > longest[s.Kind] {
			t.Errorf("%s lasts longer than %v", s, longest[s.Kind])
		}
	}
	for _, tr := range traits() {
		if kinds[tr.kind] < 10 {
			t.Errorf("%s came %d times in %d", tr.kind, kinds[tr.kind], len(steps))
		}
	}
	for _, name := range suited(KillWorker) {
		if members[name] < 100 {
			t.Errorf("%s came %d times in %d", name, members[name], len(steps))
		}
	}
	if settled < len(steps)/5 || settled > len(steps)*4/5 {
		t.Errorf("%d of %d steps settle", settled, len(steps))
	}
}

// TestEveryKindIsPerformed: what is drawn can be done.
func TestEveryKindIsPerformed(t *testing.T) {
	f := newFleet(Options{})
	unknown := func(k Kind) bool {
		defer func() { _ = recover() }() // an action without a member goes wrong, which is the answer
		_, err := f.action(k)(t.Context(), nil, Step{})
		why, _ := isSkip(err)
		return why == "no such kind"
	}
	if !unknown("no-such") {
		t.Fatal("a kind that there is not has an action")
	}
	for _, tr := range traits() {
		if unknown(tr.kind) {
			t.Errorf("%s has no action", tr.kind)
		}
	}
}
