package supervisor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// lockedProcess is a worker whose memory cannot be read.
type lockedProcess struct{ worker.Process }

func (lockedProcess) Memory() (uint64, scoreboard.MemoryKind, error) {
	return 0, "", errors.New("locked")
}

func TestMemoryThatCannotBeReadIsMissing(t *testing.T) {
	b := run(t, "serve", atOnce)
	b.worker(control.Ready)
	i := b.sup.instances[0]
	_ = i.do(t.Context(), func(time.Time) { i.slots[0].proc = lockedProcess{i.slots[0].proc} })
	st := b.sup.FreshStatus(t.Context(), 0)[0]
	if len(st.Workers) != 1 || st.Workers[0].MemoryBytes != nil || !strings.Contains(strings.Join(st.Missing, " "), "memory_bytes") {
		t.Errorf("%+v", st)
	}
}
