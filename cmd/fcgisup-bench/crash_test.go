package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
)

func TestNextTick(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct{ due, now, want time.Duration }{
		{100 * ms, 103 * ms, 200 * ms}, // replaced soon
		{100 * ms, 200 * ms, 200 * ms}, // not replaced: the next kill is due
		{100 * ms, 1530 * ms, 1500 * ms},
	} {
		if got := nextTick(test.due, test.now, 100*ms); got != test.want {
			t.Errorf("after %v at %v: %v, want %v", test.due, test.now, got, test.want)
		}
	}
}

// TestMendings: each breaks the program and makes it whole, and only the first changes its file.
func TestMendings(t *testing.T) {
	for n, way := range mendings(t.TempDir(), "/bin/true") {
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
		works, mended := do(way.mend)
		if !works {
			t.Errorf("%s: it is not mended", way.name)
		}
		if same := os.SameFile(whole, spoiled) && os.SameFile(spoiled, mended); same != (n == 1) {
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
