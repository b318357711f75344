package control

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup"
)

// PathsOf are the control sockets that may speak for an instance: that of its
// own supervisor, as systemd makes it, and that of all instances of its app.
func PathsOf(root string, in fcgisup.Instance) []string {
	return []string{
		filepath.Join(root, fmt.Sprintf("%s-%d", in.App, in.Number), ControlName),
		filepath.Join(root, in.App, ControlName),
	}
}

// Supervisors are asked about many instances, by one command. One that may have
// many tells all of them once, and later those that are asked for again one by one,
// so that the price is that of the instances, however few supervisors they have.
// Such a one that does not answer is not asked again.
type Supervisors struct {
	Root string
	// Extra is asked before those below root, if it is not empty; it must answer.
	Extra string
	// Apps are those of the configuration, for whom a socket may speak.
	Apps []fcgisup.App

	mu   sync.Mutex
	told map[string]*cachedStatus // by control socket
}

// Reply is what a supervisor has said of an instance.
type Reply struct {
	*Status
	// At is when it was asked: what is said was so then, or later.
	At time.Time
}

// subject is an instance as a supervisor names it: one may speak for many apps.
type subject struct {
	app    string
	number int
}

// cachedStatus is all that a supervisor has told.
type cachedStatus struct {
	once        sync.Once
	all         map[subject]*Status
	err         error
	begun, came time.Time
	// fresh is how long it stands: until then it is hardly older than it came.
	fresh time.Duration
}

// leastFresh is how long any answer is used.
const leastFresh = 100 * time.Millisecond

// Of is what its supervisor says of an instance: fresh, which is after the call, or
// recently. Without a status: none speaks for it.
func (s *Supervisors) Of(ctx context.Context, in fcgisup.Instance, fresh bool) Reply {
	controls := PathsOf(s.Root, in)
	own, shared := controls[0], controls[1]
	if s.Extra != "" {
		if st := s.among(ctx, s.Extra, in, fresh); st.Status != nil {
			return st
		}
	}
	if _, err := os.Stat(own); err == nil {
		if st := s.askedAlone(ctx, own, in); st.Status != nil {
			return st
		}
	}
	if _, err := os.Stat(shared); err == nil {
		return s.among(ctx, shared, in, fresh)
	}
	return Reply{}
}

// Reached tells why extra, if there is one, does not answer: a caller that names it does
// not want those woken that it would have called asleep.
func (s *Supervisors) Reached(ctx context.Context) error {
	if s.Extra == "" {
		return nil
	}
	return s.fetchOnce(ctx, s.Extra).err
}

// among is what a supervisor of many says. Whom it has called asleep is not woken
// because it does not answer a second time.
func (s *Supervisors) among(ctx context.Context, path string, in fcgisup.Instance, fresh bool) Reply {
	asked := time.Now()
	t := s.fetchOnce(ctx, path)
	first := Reply{t.all[subject{in.App, in.Number}], t.begun}
	if first.Status == nil || t.begun.After(asked) || !fresh && time.Since(t.came) <= t.fresh {
		return first
	}
	st := s.askedAlone(ctx, path, in)
	if st.Status == nil && !fresh && first.State == Sleeping {
		return first
	}
	return st
}

// fetchOnce asks a control socket at most once.
func (s *Supervisors) fetchOnce(ctx context.Context, path string) *cachedStatus {
	s.mu.Lock()
	t := s.told[path]
	if t == nil {
		if s.told == nil {
			s.told = map[string]*cachedStatus{}
		}
		t = &cachedStatus{all: map[subject]*Status{}}
		s.told[path] = t
	}
	s.mu.Unlock()
	t.once.Do(func() {
		t.begun = time.Now()
		var all []Status
		if all, t.err = Fetch(ctx, s.Apps, path); t.err != nil {
			return
		}
		for _, st := range all {
			if who := (subject{st.App, st.Instance}); t.all[who] == nil {
				t.all[who] = &st
			}
		}
		t.came = time.Now()
		t.fresh = max(t.came.Sub(t.begun), leastFresh)
	})
	return t
}

// askedAlone is what a supervisor says of one instance; without a status: nothing.
func (s *Supervisors) askedAlone(ctx context.Context, path string, in fcgisup.Instance) Reply {
	at := time.Now()
	all, err := FetchInstance(ctx, s.Apps, path, in.Number)
	if err != nil {
		return Reply{}
	}
	for i := range all {
		if all[i].App == in.App && all[i].Instance == in.Number {
			return Reply{&all[i], at}
		}
	}
	return Reply{}
}
