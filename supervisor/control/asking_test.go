package control

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

// TestSupervisorsOf: who speaks for an instance, how old its word may be, and that
// one that does not answer is not asked again.
func TestSupervisorsOf(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	st := func(number int, state InstanceState) Status {
		return Status{App: "rt", Instance: number, State: state}
	}
	whole := countingAt(t, root, "rt", []Status{st(1, Up), st(2, Up), {App: "other", Instance: 3, State: Up}})
	countingAt(t, root, "rt-1", []Status{st(1, Saturated)})
	deaf := countingAt(t, root, "mute", nil)
	deaf.deaf = true
	silent := countingAt(t, root, "rt-2", nil)
	extra := countingAt(t, root, "extra", []Status{st(4, Sleeping)})
	s := &Supervisors{Root: root, Extra: filepath.Join(root, "extra", ControlName)}
	is := func(number int, anew bool, want InstanceState) {
		t.Helper()
		got := s.Of(t.Context(), fcgisup.Instance{App: "rt", Number: number}, anew)
		if got.Status == nil && want != "" || got.Status != nil && got.State != want {
			t.Errorf("instance %d is %+v, want %q", number, got, want)
		}
	}
	is(1, false, Saturated)           // by its own
	s.told[s.Extra].fresh = time.Hour // however slow the rest is
	is(2, false, Up)
	is(3, false, "") // another app's
	is(4, false, Sleeping)
	for _, old := range []bool{false, true} {
		whole.mu.Lock()
		whole.old = old
		whole.all = []Status{st(1, Up), st(2, InstanceFailing)}
		whole.mu.Unlock()
		is(2, true, InstanceFailing)
	}
	time.Sleep(2 * leastFresh)
	s.told[filepath.Join(root, "rt", ControlName)].fresh = leastFresh // however slow it was
	is(2, false, InstanceFailing)
	for n := range 3 {
		if got := s.Of(t.Context(), fcgisup.Instance{App: "mute", Number: n + 1}, n == 2); got.Status != nil {
			t.Errorf("mute is %+v", got)
		}
	}
	if requests, _ := deaf.count(); requests != 1 {
		t.Errorf("one that does not answer was asked %d times", requests)
	}
	if requests, told := silent.count(); requests != 4 || told != 0 {
		t.Errorf("its own supervisor, which knows nothing of it, was asked %d times", requests)
	}
	if requests, told := whole.count(); requests != 4 || told != 3+1+2+2 {
		t.Errorf("%d requests told %d instances", requests, told)
	}
	if requests, _ := extra.count(); requests != 1 {
		t.Errorf("the named one was asked %d times for two apps", requests)
	}
	extra.mu.Lock()
	extra.deaf = true
	extra.mu.Unlock()
	s.told[s.Extra].fresh = 0
	is(4, false, Sleeping) // it is not woken because its supervisor is asked again
	is(4, true, "")
}

// counting is a supervisor that counts what it is asked.
type counting struct {
	mu             sync.Mutex
	all            []Status
	requests, told int
	// deaf fails, old knows no ?instance.
	deaf, old bool
}

func (s *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	answer := []Status{}
	for _, st := range s.all {
		if which := r.URL.Query().Get("instance"); s.old || which == "" || which == strconv.Itoa(st.Instance) {
			answer = append(answer, st)
		}
	}
	s.told += len(answer)
	if s.deaf {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *counting) count() (requests, told int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.told
}

// countingAt speaks for instances behind a control socket of directory.
func countingAt(t *testing.T, root, dir string, all []Status) *counting {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, dir, ControlName))
	if err != nil {
		t.Fatal(err)
	}
	s := &counting{all: all}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}
