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
// own supervisor, as systemd makes it, before that of all instances of its app.
func controlsOf(root string, in fcgisup.Instance) []string {
	return []string{
		filepath.Join(root, fmt.Sprintf("%s-%d", in.App, in.Number), supervisor.ControlName),
		filepath.Join(root, in.App, supervisor.ControlName),
	}
}

// supervisors are asked about many instances, by one command: each tells all of its
// own once, and later those that are asked for anew one by one, so that the price
// is that of the instances, however few supervisors they have. One that does not
// answer is not asked again.
type supervisors struct {
	root string
	// extra is asked before those below root, if it is not empty.
	extra string

	mu   sync.Mutex
	told map[string]*testimony
}

// testimony is what a supervisor has told of all its instances.
type testimony struct {
	once        sync.Once
	all         map[fcgisup.Instance]*supervisor.Status
	begun, came time.Time
	// fresh is how long it stands: until then it is hardly older than it came.
	fresh time.Duration
}

// leastFresh is how long any testimony stands.
const leastFresh = 100 * time.Millisecond

// of is what its supervisor says of an instance: anew, which is after the call, or
// recently. Nil: none speaks for it.
func (s *supervisors) of(ctx context.Context, in fcgisup.Instance, anew bool) *supervisor.Status {
	paths := controlsOf(s.root, in)
	if s.extra != "" {
		paths = append([]string{s.extra}, paths...)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		asked := time.Now()
		t := s.testimony(ctx, path)
		st := t.all[fcgisup.Instance{App: in.App, Number: in.Number}]
		stands := t.begun.After(asked) || !anew && time.Since(t.came) <= t.fresh
		if st != nil && !stands {
			st = askedAlone(ctx, path, in)
		}
		if st != nil {
			return st
		}
	}
	return nil
}

// testimony asks once.
func (s *supervisors) testimony(ctx context.Context, path string) *testimony {
	s.mu.Lock()
	t := s.told[path]
	if t == nil {
		if s.told == nil {
			s.told = map[string]*testimony{}
		}
		t = &testimony{}
		s.told[path] = t
	}
	s.mu.Unlock()
	t.once.Do(func() {
		t.begun = time.Now()
		all, err := fetchStatus(ctx, path)
		if err != nil {
			return
		}
		t.all = make(map[fcgisup.Instance]*supervisor.Status, len(all))
		for i := range all {
			key := fcgisup.Instance{App: all[i].App, Number: all[i].Instance}
			if t.all[key] == nil {
				t.all[key] = &all[i]
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
