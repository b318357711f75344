package supervisor

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestProbeThatMayNotConnectIsNoFailure: whose socket it is was decided by the
// administrator, and says nothing of a worker.
func TestProbeThatMayNotConnectIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.answer(func(context.Context) control.ProbeResult {
			return control.ProbeResult{Err: fmt.Errorf("cannot connect: %w", fs.ErrPermission), Class: "refused"}
		})
		st := b.after(10 * time.Minute)
		b.want(t, st, control.Up, control.Ready)
		if b.host.spawned() != 1 || st.ProbeFailures["refused"] != 0 {
			t.Errorf("%d spawns, failures %v", b.host.spawned(), st.ProbeFailures)
		}
		if st.Probe != nil && (!st.Probe.OK || st.Probe.Skipped != control.ProbeDenied) {
			t.Errorf("%+v", st.Probe)
		}
		b.end(t)
	})
}
