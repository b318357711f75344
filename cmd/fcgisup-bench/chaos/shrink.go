package chaos

import "slices"

// Shrink looks for the shortest part of steps that still fails, in their order,
// with at most budget replays: the minimising delta debugging of Zeller and
// Hildebrandt (2002), algorithm ddmin. It returns the shortest that was seen to
// fail, nil if none was: then what failed once did not fail again.
func Shrink(steps []Step, budget int, fails func([]Step) bool) []Step {
	try := func(part []Step) bool {
		if budget <= 0 || len(part) == 0 {
			return false
		}
		budget--
		return fails(part)
	}
	// The last fault alone, or with the one before, is most often all it takes.
	best := steps
	proven := false
	for _, n := range []int{1, 2, 4} {
		if n < len(steps) && try(steps[len(steps)-n:]) {
			best, proven = slices.Clone(steps[len(steps)-n:]), true
			break
		}
	}
	if !proven && !try(steps) {
		return nil
	}
	for parts := 2; len(best) > 1 && budget > 0; {
		smaller, ok := shrinkOnce(best, parts, try)
		switch {
		case ok:
			best, parts = smaller, max(parts-1, 2)
		case parts >= len(best):
			return best
		default:
			parts = min(2*parts, len(best))
		}
	}
	return best
}

// shrinkOnce leaves out one of so many parts.
func shrinkOnce(steps []Step, parts int, try func([]Step) bool) ([]Step, bool) {
	for n := range parts {
		from, to := n*len(steps)/parts, (n+1)*len(steps)/parts
		if rest := slices.Concat(steps[:from], steps[to:]); try(rest) {
			return rest, true
		}
	}
	return nil, false
}
