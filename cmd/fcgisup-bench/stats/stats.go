// Package stats says what a handful of noisy measurements support: medians, quartiles, and ratios of what was measured
// side by side. It is pure: the same samples and seed give the same numbers.
//
// It refuses means and standard deviations: one pause of a shared machine moves them as far as it likes.
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

// Interval is the percentile bootstrap's interval of the median: of draws samples drawn with replacement, the middle
// share (0.95, say) of the medians. With fewer than two values it is NaN: one round has no spread.
func Interval(values []float64, share float64, draws int, seed uint64) (low, high float64) {
	if len(values) < 2 {
		return math.NaN(), math.NaN()
	}
	random := rand.New(rand.NewPCG(seed, uint64(len(values))))
	medians, sample := make([]float64, draws), make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		slices.Sort(sample)
		medians[i] = Quantile(sample, 0.5)
	}
	slices.Sort(medians)
	return Quantile(medians, (1-share)/2), Quantile(medians, (1+share)/2)
}

// Turns is the order in which n sides take their turn in a round: each round another one begins, so that what a
// neighbour leaves behind hits all.
func Turns(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (round + i) % n
	}
	if round/max(n, 1)%2 == 1 { // and each has each of the others before it
		slices.Reverse(order)
	}
	return order
}
