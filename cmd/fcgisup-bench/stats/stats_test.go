package stats

import (
	"fmt"
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

// TestTurns: in each pair of rounds each side is as early as late, and each pair of neighbours is met in both orders.
func TestTurns(t *testing.T) {
	const n = 7
	orders := map[string]bool{}
	for round := 0; round < 10; round += 2 {
		there, back := Turns(n, round), Turns(n, round+1)
		slices.Reverse(back)
		if !slices.Equal(there, back) {
			t.Errorf("rounds %d and %d: %v is not the reverse of the other", round, round+1, back)
		}
		if sorted := slices.Sorted(slices.Values(there)); sorted[0] != 0 || sorted[n-1] != n-1 || len(slices.Compact(sorted)) != n {
			t.Errorf("round %d: %v is not everybody once", round, there)
		}
		if !slices.Equal(there, Turns(n, round)) {
			t.Error("the order is another one each time")
		}
		orders[fmt.Sprint(there)] = true
	}
	if len(orders) < 4 {
		t.Errorf("%d orders in 5 pairs of rounds", len(orders))
	}
	if len(Turns(0, 3)) != 0 {
		t.Error("no peer has a turn")
	}
}
