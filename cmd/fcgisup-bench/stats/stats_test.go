package stats

import (
	"math"
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	values := []float64{9, 1, 5, 3, 7}
	if got, want := Summarize(values), (Summary{Median: 5, Q1: 3, Q3: 7, N: 5}); got != want {
		t.Errorf("Summarize = %+v, want %+v", got, want)
	}
	if values[0] != 9 {
		t.Error("the samples were put in order")
	}
	if got := Summarize([]float64{1, 2}); got.Median != 1.5 || got.Q1 != 1.25 {
		t.Errorf("between two values: %+v", got)
	}
	if got := Summarize(nil); !math.IsNaN(got.Median) || got.N != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestRatios(t *testing.T) {
	got := Ratios([]float64{2, 4, 6, 0, 9}, []float64{1, 0, 3, 0})
	if want := []float64{2, 2}; !slices.Equal(got, want) {
		t.Errorf("Ratios = %v, want %v: rounds without a divisor say nothing", got, want)
	}
}

func TestInterval(t *testing.T) {
	values := []float64{0.98, 1.02, 0.95, 1.01, 1.00, 0.99, 1.05, 0.97}
	low, high := Interval(values, 0.95, 2000, 1)
	if !(low < 0.995 && high > 0.995 && low >= 0.95 && high <= 1.05) {
		t.Errorf("interval %v to %v does not hold the median 0.995, or is wider than the values", low, high)
	}
	if again, _ := Interval(values, 0.95, 2000, 1); again != low {
		t.Error("the same seed gives another interval")
	}
	narrow, wide := Interval(values, 0.5, 2000, 1)
	if narrow < low || wide > high {
		t.Error("half of the medians reach further than nearly all of them")
	}
	if low, _ := Interval(values[:1], 0.95, 10, 1); !math.IsNaN(low) {
		t.Errorf("one round has the spread %v", low)
	}
}

// TestTurns: over two times n rounds each side is in each place equally often, and each pair of neighbours is met in both orders.
func TestTurns(t *testing.T) {
	const n = 4
	places, before := map[[2]int]int{}, map[[2]int]int{}
	for round := range 2 * n {
		turns := Turns(n, round)
		for place, side := range turns {
			places[[2]int{side, place}]++
			if place > 0 {
				before[[2]int{turns[place-1], side}]++
			}
		}
	}
	for at, times := range places {
		if times != 2 {
			t.Errorf("side %d is %d times in place %d", at[0], times, at[1])
		}
	}
	for pair, times := range before {
		if times != before[[2]int{pair[1], pair[0]}] {
			t.Errorf("%v is met %d times, the other way round %d", pair, times, before[[2]int{pair[1], pair[0]}])
		}
	}
	if len(Turns(0, 3)) != 0 {
		t.Error("nobody has a turn")
	}
}
