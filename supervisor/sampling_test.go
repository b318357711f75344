package supervisor

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// TestLooksCostLittle: neither the instances of one process nor those of an app, a process each, look so often that
// the host feels it; and few instances look as often as they like.
func TestLooksCostLittle(t *testing.T) {
	for _, c := range []struct {
		instances, siblings int
		cost, want          time.Duration
	}{
		{1, 1, 300 * time.Microsecond, busyEvery},
		{1, 1, 20 * time.Millisecond, time.Second},
		{100, 1, 400 * time.Microsecond, busyEvery},
		{1000, 1, 2 * time.Millisecond, slowest},
		{100, 100, 400 * time.Microsecond, 2 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d instances, %d in the process, %s", c.instances, c.siblings, c.cost), func(t *testing.T) {
			app := fcgisup.Default("rt")
			app.Instances = c.instances
			i := newInstance(fcgisup.Instance{App: "rt", Number: 1}, app, worker.Launch{}, nil, &Options{Log: slog.New(slog.DiscardHandler)}, &common{siblings: c.siblings})
			i.cost = c.cost
			now := time.Unix(0, 0)
			i.common.began = now
			if got := i.nextSample(now, busyEvery).Sub(now); got != c.want {
				t.Errorf("the next look is in %s, want %s", got, c.want)
			}
		})
	}
}
