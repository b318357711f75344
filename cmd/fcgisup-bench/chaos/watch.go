package chaos

import (
	"context"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// watchEvery is how often a member's counters are looked at.
const watchEvery = 250 * time.Millisecond

// watch records what a member's supervisor does to its workers, from its counters.
func (f *fleet) watch(ctx context.Context, m *member) {
	seen := map[string]uint64{}
	of := 0
	for ctx.Err() == nil {
		sleep(ctx, watchEvery)
		pid := m.keeper.pid()
		all, err := m.status(ctx)
		if err != nil || pid == 0 || pid != m.keeper.pid() {
			continue
		}
		if pid != of { // another process counts from zero
			seen, of = map[string]uint64{}, pid
		}
		now := counters(all)
		for cause, n := range now {
			if n > seen[cause] {
				f.rec.judged(Verdict{At: f.rec.now(), Member: m.name, Cause: cause, Count: n - seen[cause], Detail: lastFailure(all)})
			}
		}
		seen = now
	}
}

// counters are restarts by cause, and "cut".
func counters(all []control.Status) map[string]uint64 {
	counts := map[string]uint64{}
	for _, st := range all {
		for cause, n := range st.Restarts {
			counts[string(cause)] += n
		}
		counts["cut"] += st.Cut
	}
	return counts
}

func lastFailure(all []control.Status) string {
	for _, st := range all {
		if l := st.LastFailure; l != nil {
			return string(l.Cause) + ": " + l.Detail
		}
	}
	return ""
}
