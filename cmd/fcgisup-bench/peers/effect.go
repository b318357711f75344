package peers

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Expect looks who works now, before an op, and returns what tells later, as often as it is asked, what is still missing
// of the op's effect; "" if nothing is. It is nil where the processes do not show any: an upgrade is of the manager,
// which may keep its process and its workers.
func (s *Service) Expect(op Op) func() (missing string) {
	switch op {
	case Reload, Restart:
		return replaced(s.Processes().Workers, func() []int { return s.Processes().Workers })
	case Scale:
		return doubled(2*s.Spec.Workers, func() []int { return s.Processes().Workers })
	default:
		return nil
	}
}

// replaced: none of the old is left, and a new one is there.
func replaced(old []int, now func() []int) func() string {
	return func() string {
		workers := now()
		stayed := 0
		for _, pid := range old {
			if slices.Contains(workers, pid) {
				stayed++
			}
		}
		switch {
		case len(old) == 0:
			return "there was no worker before"
		case stayed > 0:
			return fmt.Sprintf("%d of %d old workers stayed", stayed, len(old))
		case len(workers) == 0:
			return "there is no worker any more"
		}
		return ""
	}
}

// doubled: as many were there at least once.
func doubled(want int, now func() []int) func() string {
	most := 0
	return func() string {
		if most = max(most, len(now())); most < want {
			return fmt.Sprintf("at most %d workers, not %d", most, want)
		}
		return ""
	}
}

// complete waits until as many workers run as the spec has. It goes on without them after a while, since what is
// measured then shows it.
func (s *Service) complete(ctx context.Context) {
	if s.follows || s.Spec.Lazy {
		return
	}
	limited, cancel := context.WithTimeout(ctx, 10*time.Second+time.Duration(s.Spec.Workers)*50*time.Millisecond)
	defer cancel()
	_ = await(limited, func() error {
		if n := len(s.Processes().Workers); n < s.Spec.Workers {
			return fmt.Errorf("%d of %d workers run", n, s.Spec.Workers)
		}
		return nil
	})
}
