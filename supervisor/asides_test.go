package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// A worker's memory that is locked for ever costs the loop a moment, once, and shows
// as a fact that is absent, with the reason.
func TestAWorkerWhoseMemoryIsLockedHoldsNobodyUp(t *testing.T) {
	b := run(t, "serve")
	b.ask("pid")
	g := b.spawner.group(b.worker(control.Ready).PID)
	release := make(chan struct{})
	defer close(release)
	begun := time.Now()
	if _, err := g.reads.details.Read(time.Millisecond, 0, func() ([]string, error) { <-release; return nil, nil }); err == nil {
		t.Fatal("the read did not block")
	}
	for range 100 {
		if l := g.Observe(); !strings.Contains(l.Unknown, "locked") {
			t.Fatalf("%+v", l)
		}
		if !g.Accepts() {
			t.Fatal("what is not known was taken for a worker that does not accept")
		}
		if _, _, err := g.Memory(); err == nil {
			t.Fatal("memory was read")
		}
		if lines := strings.Join(g.Evidence(), "\n"); !strings.Contains(lines, "process ") || !strings.Contains(lines, "locked") {
			t.Fatalf("%q", lines)
		}
		_ = g.Resting()
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %s", d)
	}
	if st := b.sup.Look(t.Context(), 0)[0]; len(st.Workers) != 1 || st.Workers[0].MemoryBytes != nil || !strings.Contains(strings.Join(st.Missing, " "), "memory_bytes") {
		t.Errorf("%+v", st)
	}
	b.ask("pid")
}
