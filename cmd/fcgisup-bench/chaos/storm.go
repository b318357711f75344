package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// storm gives many orders at once: signals, some milliseconds apart, beside
// commands over the control socket and the death of a worker. Each may be
// refused; together they may lose nothing but what that worker held.
func (f *fleet) storm(ctx context.Context, m *member, s Step) (string, error) {
	random := rand.New(rand.NewPCG(s.Pick, 1))
	var said []string
	var beside sync.WaitGroup
	for range 3 + random.IntN(6) {
		switch n := random.IntN(8); n {
		case 0, 1, 2:
			said = append(said, "USR2")
			if err := f.tell(m, unix.SIGUSR2); err != nil {
				return strings.Join(said, " "), err
			}
		case 3:
			said = append(said, "HUP")
			if err := f.tell(m, unix.SIGHUP); err != nil {
				return strings.Join(said, " "), err
			}
		case 4:
			said = append(said, "restart")
			beside.Go(func() { _ = m.post(ctx, "/restart") })
		case 5:
			workers := 1 + random.IntN(4)
			said = append(said, fmt.Sprintf("scale=%d", workers))
			beside.Go(func() { _ = m.post(ctx, fmt.Sprintf("/scale?workers=%d", workers)) })
		case 6:
			said = append(said, "edit", "reload")
			if m.conf.edit(uint64(random.IntN(100))) == nil {
				beside.Go(func() { _ = m.post(ctx, "/reload") })
			}
		case 7:
			said = append(said, "kill")
			note, err := f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: random.Uint64N(100)})
			if _, skipped := isSkip(err); err != nil && !skipped {
				return note, err
			}
		}
		sleep(ctx, time.Duration(random.IntN(150))*time.Millisecond)
	}
	beside.Wait()
	return strings.Join(said, " "), nil
}
