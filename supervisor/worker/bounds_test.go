package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// hostile are texts that take the most room in JSON, or more bytes shown than given.
var hostile = []string{"\x01", `"`, `\`, "<", "\u2028", "\xff", "é", "a"}

// TestTailIsBounded: whatever a worker prints, and however much of it.
func TestTailIsBounded(t *testing.T) {
	for _, what := range hostile {
		var kept tail
		follow(strings.NewReader(strings.Repeat(strings.Repeat(what, 5000)+"\n", 200)), kept.add)
		lines := kept.Lines()
		if len(lines) != control.MaxFailureLines {
			t.Errorf("%q: %d lines", what, len(lines))
		}
		for _, line := range lines {
			if len(line) > control.MaxFailureLine || !strings.HasSuffix(line, "…") || line != fcgisup.Printable(line) {
				t.Fatalf("%q: %d bytes, %.40q", what, len(line), line)
			}
		}
	}
	var kept tail
	kept.add([]byte(strings.Repeat("x", control.MaxFailureLine)))
	if got := kept.Lines()[0]; len(got) != control.MaxFailureLine || strings.HasSuffix(got, "…") {
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
		if len(lines) > control.MaxFailureLines || asked > control.MaxFailureLines+1 {
			t.Errorf("%d lines each: %d lines of %d processes", each, len(lines), asked)
		}
		if last := lines[len(lines)-1]; each < control.MaxFailureLines && !strings.HasSuffix(last, fmt.Sprintf("… %d more processes", 3000-asked+1)) {
			t.Errorf("%d lines each: asked about %d, and %q", each, asked, last)
		}
		for _, line := range lines {
			if len(line) > control.MaxFailureLine {
				t.Fatalf("%d bytes", len(line))
			}
		}
	}
	if got := evidenceOf([]int{1, 2}, func(pid int) []string { return []string{fmt.Sprint(pid)} }); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
