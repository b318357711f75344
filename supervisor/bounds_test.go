package supervisor

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

// hostile are texts that take the most room in JSON, or more bytes shown than given.
var hostile = []string{"\x01", `"`, `\`, "<", "\u2028", "\xff", "é", "a"}

// TestTailIsBounded: whatever a worker prints, and however much of it.
func TestTailIsBounded(t *testing.T) {
	for _, what := range hostile {
		var kept tail
		follow(strings.NewReader(strings.Repeat(strings.Repeat(what, 5000)+"\n", 200)), kept.add)
		lines := kept.Lines()
		if len(lines) != MaxFailureLines {
			t.Errorf("%q: %d lines", what, len(lines))
		}
		for _, line := range lines {
			if len(line) > MaxFailureLine || !strings.HasSuffix(line, "…") || line != fcgisup.Printable(line) {
				t.Fatalf("%q: %d bytes, %.40q", what, len(line), line)
			}
		}
	}
	var kept tail
	kept.add([]byte(strings.Repeat("x", MaxFailureLine)))
	if got := kept.Lines()[0]; len(got) != MaxFailureLine || strings.HasSuffix(got, "…") {
		t.Errorf("what just fits was cut: %d bytes", len(got))
	}
}

// TestEvidenceIsBounded: of thousands of processes no more are asked about than are shown.
func TestEvidenceIsBounded(t *testing.T) {
	for _, each := range []int{1, 3, 17, 200} {
		asked := 0
		lines := evidenceOf(make([]int, 3000), func(int) []string {
			asked++
			all := make([]string, each)
			for n := range all {
				all[n] = strings.Repeat("\x1b", 3000)
			}
			return all
		})
		if len(lines) > MaxFailureLines || asked > MaxFailureLines+1 {
			t.Errorf("%d lines each: %d lines of %d processes", each, len(lines), asked)
		}
		if last := lines[len(lines)-1]; each < MaxFailureLines && !strings.HasSuffix(last, fmt.Sprintf("… %d more processes", 3000-asked+1)) {
			t.Errorf("%d lines each: asked about %d, and %q", each, asked, last)
		}
		for _, line := range lines {
			if len(line) > MaxFailureLine {
				t.Fatalf("%d bytes", len(line))
			}
		}
	}
	if got := evidenceOf([]int{1, 2}, func(pid int) []string { return []string{fmt.Sprint(pid)} }); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func TestShownError(t *testing.T) {
	for in, want := range map[string]string{
		"":           "",
		"a":          "a",
		"a\nb\x1b\n": "a\nb\\x1b",
	} {
		if got := shownError(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := shownError(strings.Repeat("it is wrong\n", 10000)); len(got) > MaxConfigError || !strings.HasSuffix(got, "wrong\n…") {
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
	st.bound()
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
			Restarts: zeroed(Causes, map[Cause]uint64{}), ProbeFailures: zeroed(ProbeClasses, map[string]uint64{}), Scaled: zeroed(Directions, map[Direction]uint64{}),
			LastFailure: &Failure{At: next, Cause: StartTimeout, PID: 4 << 20, Detail: text, Output: lines, Evidence: lines},
			Probe:       &ProbeStatus{At: next, Error: text, Class: "overloaded", Skipped: ProbeDenied}, ConfigError: strings.Repeat(`"`, MaxConfigError), Missing: lines,
		},
	}, fcgisup.MaxInstances)
	fitAll(all)
	var size counter
	err := encoder(&size).Encode(all[0]) // the others are no other
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

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
