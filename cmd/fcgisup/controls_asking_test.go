package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestSupervisorsOf: who speaks for an instance, how old its word may be, and that
// one that does not answer is not asked again.
func TestSupervisorsOf(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	st := func(number int, state control.InstanceState) control.Status {
		return control.Status{App: "rt", Instance: number, State: state}
	}
	whole := countingAt(t, root, "rt", []control.Status{st(1, control.Up), st(2, control.Up), {App: "other", Instance: 3, State: control.Up}})
	countingAt(t, root, "rt-1", []control.Status{st(1, control.Saturated)})
	deaf := countingAt(t, root, "mute", nil)
	deaf.deaf = true
	silent := countingAt(t, root, "rt-2", nil)
	extra := countingAt(t, root, "extra", []control.Status{st(4, control.Sleeping)})
	s := &supervisors{root: root, extra: filepath.Join(root, "extra", control.ControlName)}
	is := func(number int, anew bool, want control.InstanceState) {
		t.Helper()
		got := s.of(t.Context(), fcgisup.Instance{App: "rt", Number: number}, anew)
		if got.Status == nil && want != "" || got.Status != nil && got.State != want {
			t.Errorf("instance %d is %+v, want %q", number, got, want)
		}
	}
	is(1, false, control.Saturated)   // by its own
	s.told[s.extra].fresh = time.Hour // however slow the rest is
	is(2, false, control.Up)
	is(3, false, "") // another app's
	is(4, false, control.Sleeping)
	for _, old := range []bool{false, true} {
		whole.mu.Lock()
		whole.old = old
		whole.all = []control.Status{st(1, control.Up), st(2, control.InstanceFailing)}
		whole.mu.Unlock()
		is(2, true, control.InstanceFailing)
	}
	time.Sleep(2 * leastFresh)
	s.told[filepath.Join(root, "rt", control.ControlName)].fresh = leastFresh // however slow it was
	is(2, false, control.InstanceFailing)
	for n := range 3 {
		if got := s.of(t.Context(), fcgisup.Instance{App: "mute", Number: n + 1}, n == 2); got.Status != nil {
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
	s.told[s.extra].fresh = 0
	is(4, false, control.Sleeping) // it is not woken because its supervisor is asked again
	is(4, true, "")
}
