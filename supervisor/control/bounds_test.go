package control

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

func TestShownError(t *testing.T) {
	for in, want := range map[string]string{
		"":           "",
		"a":          "a",
		"a\nb\x1b\n": "a\nb\\x1b",
	} {
		if got := ShownError(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := ShownError(strings.Repeat("it is wrong\n", 10000)); len(got) > MaxConfigError || !strings.HasSuffix(got, "wrong\n…") {
		t.Errorf("%d bytes, %.20q", len(got), got[len(got)-20:])
	}
}

// TestFit: what is left of the texts fits, the reasons before the last lines.
func TestFit(t *testing.T) {
	lines := make([]string, MaxFailureLines)
	for n := range lines {
		lines[n] = fmt.Sprintf("line %d %s", n, strings.Repeat("x", 200))
	}
	kept := &Failure{Detail: "exit status 1", Output: lines, Evidence: lines}
	st := Status{LastFailure: kept, Probe: &ProbeStatus{Error: "no"}, ConfigError: "a\nb", Missing: []string{"m"}}
	st.fit(1000)
	size := len(st.LastFailure.Detail) + len(st.Probe.Error) + len(st.ConfigError) + 1
	for _, line := range append(st.LastFailure.Output, st.LastFailure.Evidence...) {
		size += len(line)
	}
	out := st.LastFailure.Output
	if size > 1000 || st.LastFailure.Detail != "exit status 1" || st.ConfigError != "a\nb" || len(out) == 0 || out[len(out)-1] != lines[63] {
		t.Errorf("%d bytes, %+v", size, st)
	}
	if len(kept.Output) != MaxFailureLines {
		t.Error("the instance's own failure was cut")
	}
	st = Status{LastFailure: kept, Probe: &ProbeStatus{Error: lines[0]}, ConfigError: strings.Repeat("b\n", 2000), Missing: lines}
	st.fit(leastTexts)
	if n := len(st.LastFailure.Detail) + len(st.Probe.Error) + len(st.ConfigError); n > leastTexts || strings.Contains(st.ConfigError, "\n") {
		t.Errorf("%d bytes, %+v", n, st)
	}
}

// TestMissingIsBounded: a thousand workers whose memory cannot be read have one reason, or some.
func TestMissingIsBounded(t *testing.T) {
	var st Status
	for n := range 1000 {
		st.Missing = append(st.Missing, "memory_bytes: denied", fmt.Sprintf("busy: %d", n))
	}
	st.Bound()
	if len(st.Missing) != MaxFailureLines || st.Missing[0] != "memory_bytes: denied" {
		t.Errorf("%d: %q", len(st.Missing), st.Missing)
	}
}

// TestReplyEscapesNothingForHTML: it would make six bytes of each <.
func TestReplyEscapesNothingForHTML(t *testing.T) {
	var b bytes.Buffer
	if err := encoder(&b).Encode("<&>"); err != nil || b.String() != "\"<&>\"\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// TestAllInstancesFit: the answer about as many instances, and as many workers, as
// there can be is one that readers take.
func TestAllInstancesFit(t *testing.T) {
	lines := make([]string, MaxFailureLines)
	for n := range lines {
		lines[n] = strings.Repeat(`"`, MaxFailureLine)
	}
	text := strings.Repeat(`"`, MaxStatusText)
	next, yes, count, seconds, number := time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.FixedZone("", -3600)), true, uint64(math.MaxUint64), 123456.123456789, math.MaxInt32
	worker := WorkerStatus{PID: 4 << 20, State: Starting, Since: next, Busy: &yes, RequestsSeen: &count, MemoryBytes: &count, MemoryKind: "pss", Generation: 1 << 30, Attempt: 1 << 30, Next: &next}
	all := slices.Repeat([]Status{
		{
			App: strings.Repeat("a", 64), Instance: fcgisup.MaxInstances, Address: "/" + strings.Repeat(`"`, 106), State: InstanceFailing, Since: next,
			Queue: &number, Backlog: &number, QueueHeadSeconds: &seconds, InFlight: &number, OldestRequestSeconds: &seconds, Orphaned: &number,
			Workers:  slices.Repeat([]WorkerStatus{worker}, MaxAnswerWorkers/fcgisup.MaxInstances),
			Restarts: everyKey(Causes), Exits: everyKey(Causes), ProbeFailures: everyKey(fcgisup.ProbeClasses), Scaled: everyKey(Directions),
			LastFailure: &Failure{At: next, Cause: StartTimeout, PID: 4 << 20, Detail: text, Output: lines, Evidence: lines},
			Probe:       &ProbeStatus{At: next, Error: text, Class: "overloaded", Skipped: ProbeDenied}, ConfigError: strings.Repeat(`"`, MaxConfigError), Missing: lines,
		},
	}, fcgisup.MaxInstances)
	fitAll(all)
	var size counter
	err := encoder(&size).Encode(all[0]) // the others are the same
	if size *= fcgisup.MaxInstances; err != nil || size > MaxAnswerSize {
		t.Errorf("%d bytes of at most %d, %v", size, MaxAnswerSize, err)
	}
	t.Logf("%d bytes", size)
	few := all[:10]
	few[0].LastFailure = &Failure{Output: lines}
	fitAll(few)
	if len(few[0].LastFailure.Output) != MaxFailureLines {
		t.Error("of few instances something is left out")
	}
}

// everyKey has every key of a closed set.
func everyKey[K ~string](keys []K) map[K]uint64 {
	all := map[K]uint64{}
	for _, k := range keys {
		all[k] = 0
	}
	return all
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
