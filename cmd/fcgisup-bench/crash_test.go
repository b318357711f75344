package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
)

func TestNextTick(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct{ killed, want time.Duration }{
		{100 * ms, 200 * ms},
		{103 * ms, 200 * ms},
		{1347 * ms, 1400 * ms}, // late: no worker was there
		{1399 * ms, 1500 * ms}, // and the tick a moment later is left out
	} {
		if got := nextTick(test.killed, 100*ms); got != test.want {
			t.Errorf("after a kill at %v: %v, want %v", test.killed, got, test.want)
		}
	}
}

// sight is one look at the processes, and then who is killed.
type sight struct {
	ms       int
	targets  []int
	children []int // of supervisors, and no workers
	kill     []int
}

// TestVacancies: a place is filled by a new worker, the oldest first, and by no sibling or orphan.
func TestVacancies(t *testing.T) {
	one, all, supervisor := crashTargets[0], crashTargets[1], crashTargets[2]
	for name, test := range map[string]struct {
		target   target
		sights   []sight
		replaced []float64
		never    int
	}{
		"one of four, still seen for a moment": {one, []sight{
			{100, []int{1, 2, 3, 4}, nil, []int{2}}, {101, []int{1, 2, 3, 4}, nil, nil}, {102, []int{1, 3, 4}, nil, nil}, {103, []int{1, 3, 4, 5}, nil, nil},
		}, []float64{3}, 0},
		"beyond the next kill": {one, []sight{
			{100, []int{1, 2}, nil, []int{1}}, {200, []int{2}, nil, []int{2}}, {350, []int{3}, nil, nil}, {460, []int{3, 4}, nil, nil},
		}, []float64{250, 260}, 0},
		"siblings come back one at a time": {supervisor, []sight{
			{100, []int{1, 2, 3, 4}, nil, []int{1, 2, 3, 4}}, {350, []int{5}, nil, []int{5}}, {352, []int{6}, nil, nil}, {353, []int{6, 7, 8}, nil, nil}, {602, []int{6, 7, 8, 9}, nil, nil},
		}, []float64{253, 252}, 0},
		"orphans": {supervisor, []sight{
			{0, []int{1}, []int{2}, nil}, {100, []int{1}, []int{2, 3}, []int{1}}, {101, []int{2, 3}, nil, nil}, {340, []int{9}, nil, nil}, {341, []int{9}, []int{10}, nil},
		}, []float64{240}, 0},
		"the others end as well": {one, []sight{
			{100, []int{1, 2, 3}, nil, []int{1}}, {101, nil, nil, nil}, {200, []int{4}, nil, nil}, {201, []int{4, 5}, nil, nil}, {202, []int{4, 5, 6}, nil, nil},
		}, []float64{102}, 0},
		"a victim is seen while another ends by itself": {one, []sight{
			{100, []int{1, 2}, nil, []int{1}}, {101, []int{1, 3}, nil, nil}, {102, []int{3}, nil, nil}, {300, []int{3, 4}, nil, nil},
		}, []float64{200}, 0},
		"one of more than at first": {one, []sight{
			{100, []int{1}, nil, []int{1}}, {150, []int{2, 3, 4}, nil, nil}, {200, []int{2, 3, 4}, nil, []int{2}}, {201, []int{3, 4}, nil, nil},
		}, []float64{50}, 1},
		"not all": {all, []sight{
			{100, []int{1, 2}, nil, []int{1, 2}}, {150, []int{3}, nil, nil}, {900, []int{3}, nil, nil},
		}, nil, 1},
		"none": {all, []sight{{100, []int{1, 2}, nil, []int{1, 2}}, {900, nil, nil, nil}}, nil, 1},
	} {
		v := newVacancies(test.target)
		for _, s := range test.sights {
			at, now := time.Duration(s.ms)*time.Millisecond, peers.Workers{Workers: s.targets}
			if test.target.orphans {
				now = peers.Workers{Supervisors: s.targets, Helpers: slices.Concat(s.targets, s.children)}
			}
			if present := v.look(at, now); s.kill != nil {
				v.killed(at, present, s.kill)
			}
		}
		if replaced, never := v.replaced(); !slices.Equal(replaced, test.replaced) || never != test.never {
			t.Errorf("%s: replaced after %v, %d never; want %v, %d", name, replaced, never, test.replaced, test.never)
		}
	}
}

// TestMendings: each breaks the program and makes it whole, and only the first changes its file.
func TestMendings(t *testing.T) {
	for n, way := range repairs(t.TempDir(), "/bin/true") {
		do := func(step func() error) (works bool, file os.FileInfo) {
			t.Helper()
			if err := step(); err != nil {
				t.Fatal(err)
			}
			file, err := os.Stat(way.path)
			if err != nil {
				t.Fatal(err)
			}
			return exec.Command(way.path).Run() == nil, file
		}
		works, whole := do(way.prepare)
		if !works {
			t.Errorf("%s: it does not work", way.name)
		}
		works, spoiled := do(way.spoil)
		if works {
			t.Errorf("%s: it is not broken", way.name)
		}
		works, fixed := do(way.restore)
		if !works {
			t.Errorf("%s: it is not fixed", way.name)
		}
		if same := os.SameFile(whole, spoiled) && os.SameFile(spoiled, fixed); same != (n == 1) {
			t.Errorf("%s: one file for all of it: %t", way.name, same)
		}
	}
}

func TestPerKill(t *testing.T) {
	r := &load.Result{Events: []load.Event{{}, {Kind: load.Timeout}, {Kind: load.Timeout}, {Kind: load.Timeout}}}
	if cell := perKill(r, 2); len(cell.Samples) != 1 || cell.Samples[0] != 1.5 {
		t.Errorf("3 failures of 2 kills: %+v", cell)
	}
	if cell := perKill(r, 0); cell.Reason == "" {
		t.Errorf("no kill: %+v", cell)
	}
}

func TestRecovered(t *testing.T) {
	r := &load.Result{Events: []load.Event{
		{At: 1 * time.Second, Took: time.Second},
		{At: 2 * time.Second, Took: 9 * time.Second, Kind: load.Timeout},
		{At: 3 * time.Second, Took: 8 * time.Second}, // waited, and was the first: at 11 s
		{At: 10 * time.Second, Took: 2 * time.Second},
	}}
	if back, err := recovered(r, 10*time.Second); err != nil || back != time.Second {
		t.Errorf("recovered after %v, %v; want 1 s", back, err)
	}
	if _, err := recovered(r, 12*time.Second+1); err == nil {
		t.Error("it has recovered after the last answer")
	}
}
