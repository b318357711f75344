package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// controlsOf are the control sockets that may speak for an instance: that of its
// own supervisor, as systemd makes it, and that of all instances of its app.
func controlsOf(root string, in fcgisup.Instance) []string {
	return []string{
		filepath.Join(root, fmt.Sprintf("%s-%d", in.App, in.Number), supervisor.ControlName),
		filepath.Join(root, in.App, supervisor.ControlName),
	}
}

// supervisors are asked about many instances, by one command. One that may have
// many tells all of them once, and later those that are asked for anew one by one,
// so that the price is that of the instances, however few supervisors they have.
// Such a one that does not answer is not asked again.
type supervisors struct {
	root string
	// extra is asked before those below root, if it is not empty; it must answer.
	extra string

	mu   sync.Mutex
	told map[speaker]*testimony
}

// speaker is a control socket as far as it speaks for an app: what else it says is
// not kept, since most belong to the app's user.
type speaker struct{ path, app string }

// testimony is what a speaker has told, by the instances' numbers.
type testimony struct {
	once        sync.Once
	all         map[int]*supervisor.Status
	err         error
	begun, came time.Time
	// fresh is how long it stands: until then it is hardly older than it came.
	fresh time.Duration
}

// leastFresh is how long any testimony stands.
const leastFresh = 100 * time.Millisecond

// of is what its supervisor says of an instance: anew, which is after the call, or
// recently. Nil: none speaks for it.
func (s *supervisors) of(ctx context.Context, in fcgisup.Instance, anew bool) *supervisor.Status {
	controls := controlsOf(s.root, in)
	own, shared := controls[0], controls[1]
	if s.extra != "" {
		if st := s.among(ctx, s.extra, in, anew); st != nil {
			return st
		}
	}
	if _, err := os.Stat(own); err == nil {
		if st := askedAlone(ctx, own, in); st != nil {
			return st
		}
	}
	if _, err := os.Stat(shared); err == nil {
		return s.among(ctx, shared, in, anew)
	}
	return nil
}

// reached tells why extra, if there is one, does not answer: whoever names it does
// not want those woken that it would have called asleep.
func (s *supervisors) reached(ctx context.Context, app string) error {
	if s.extra == "" {
		return nil
	}
	return s.testimony(ctx, speaker{s.extra, app}).err
}

// among is what a supervisor of many says.
func (s *supervisors) among(ctx context.Context, path string, in fcgisup.Instance, anew bool) *supervisor.Status {
	asked := time.Now()
	t := s.testimony(ctx, speaker{path, in.App})
	st := t.all[in.Number]
	if st == nil || t.begun.After(asked) || !anew && time.Since(t.came) <= t.fresh {
		return st
	}
	return askedAlone(ctx, path, in)
}

// testimony asks once.
func (s *supervisors) testimony(ctx context.Context, from speaker) *testimony {
	s.mu.Lock()
	t := s.told[from]
	if t == nil {
		if s.told == nil {
			s.told = map[speaker]*testimony{}
		}
		t = &testimony{all: map[int]*supervisor.Status{}}
		s.told[from] = t
	}
	s.mu.Unlock()
	t.once.Do(func() {
		t.begun = time.Now()
		var all []supervisor.Status
		if all, t.err = fetchStatus(ctx, from.path); t.err != nil {
			return
		}
		for _, st := range all {
			if st.App == from.app && t.all[st.Instance] == nil {
				t.all[st.Instance] = &st
			}
		}
		t.came = time.Now()
		t.fresh = max(t.came.Sub(t.begun), leastFresh)
	})
	return t
}

// askedAlone is what a supervisor says of one instance; nil: nothing.
func askedAlone(ctx context.Context, path string, in fcgisup.Instance) *supervisor.Status {
	all, err := fetchStatusOf(ctx, path, in.Number)
	if err != nil {
		return nil
	}
	for i := range all {
		if all[i].App == in.App && all[i].Instance == in.Number {
			return &all[i]
		}
	}
	return nil
}
