package chaos

import (
	"slices"
	"testing"
)

func numbered(n int) []Step {
	var steps []Step
	for i := range n {
		steps = append(steps, Step{Pick: uint64(i)})
	}
	return steps
}

// needing fails if all of these steps are there, in order.
func needing(picks ...uint64) func([]Step) bool {
	return func(part []Step) bool {
		at := 0
		for _, s := range part {
			if at < len(picks) && s.Pick == picks[at] {
				at++
			}
		}
		return at == len(picks)
	}
}

func picks(steps []Step) []uint64 {
	var all []uint64
	for _, s := range steps {
		all = append(all, s.Pick)
	}
	return all
}

func TestShrinkFindsTheShortest(t *testing.T) {
	for _, want := range [][]uint64{{39}, {0}, {17}, {3, 30}, {38, 39}, {0, 1, 20, 39}} {
		got := picks(Shrink(numbered(40), 1000, needing(want...)))
		if !slices.Equal(got, want) {
			t.Errorf("%v is needed, %v was found", want, got)
		}
	}
}

// TestShrinkKeepsToItsBudget: few replays give a longer trace, but always one that fails.
func TestShrinkKeepsToItsBudget(t *testing.T) {
	for budget := range 30 {
		replays := 0
		fails := needing(5, 25)
		got := Shrink(numbered(40), budget, func(part []Step) bool { replays++; return fails(part) })
		if replays > budget {
			t.Errorf("%d replays, %d are allowed", replays, budget)
		}
		if got != nil && !fails(got) {
			t.Errorf("with %d replays: %v does not fail", budget, picks(got))
		}
		if budget >= 4 && got == nil {
			t.Errorf("with %d replays nothing was found", budget)
		}
	}
}

// TestShrinkOfWhatDoesNotRepeat says so.
func TestShrinkOfWhatDoesNotRepeat(t *testing.T) {
	if got := Shrink(numbered(10), 20, func([]Step) bool { return false }); got != nil {
		t.Errorf("%v was found, although nothing failed again", picks(got))
	}
}

// TestUntil: what comes after a violation, or was not performed, is not to blame.
func TestUntil(t *testing.T) {
	all := []Performed{{Step: Step{Pick: 1}, At: 1}, {Step: Step{Pick: 2}, At: 2, Skipped: "why"}, {Step: Step{Pick: 3}, At: 3}, {Step: Step{Pick: 4}, At: 4}}
	if got := picks(until(all, 3)); !slices.Equal(got, []uint64{1, 3}) {
		t.Errorf("%v, want 1 and 3", got)
	}
}
