package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Summary is what a sample says. Without values all is NaN and N is 0.
type Summary struct {
	Median, Q1, Q3 float64
	N              int
}

// Summarize takes samples in any order and leaves them so.
func Summarize(values []float64) Summary {
	sorted := slices.Sorted(slices.Values(values))
	return Summary{Median: Quantile(sorted, 0.5), Q1: Quantile(sorted, 0.25), Q3: Quantile(sorted, 0.75), N: len(sorted)}
}

// Quantile interpolates linearly between the two nearest of the sorted values, as R's default (type 7) does.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// Ratios divides round by round what ran in the same round; a round that either side lacks, or in which the divisor is 0,
// says nothing and is left out.
func Ratios(ours, theirs []float64) []float64 {
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		if r := ours[i] / theirs[i]; !math.IsNaN(r) && !math.IsInf(r, 0) {
			ratios = append(ratios, r)
		}
	}
	return ratios
}

// Turns is the order in which n sides take their turn in a round: a random one, always the same, in the next round its
// reverse, then another. So each is as early as late, and has another neighbour before it, whose leavings it meets.
func Turns(n, round int) []int {
	order := rand.New(rand.NewPCG(uint64(n), uint64(round/2))).Perm(n)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
