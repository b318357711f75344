package peers

import (
	"context"
	"testing"
	"time"
)

func TestReplaced(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, now []int
		want     string
	}{
		{"all", []int{1, 2}, []int{3, 4}, ""},
		{"one stayed", []int{1, 2}, []int{2, 3}, "1 of 2 old workers stayed"},
		{"nothing happened", []int{1, 2}, []int{1, 2}, "2 of 2 old workers stayed"},
		{"all gone", []int{1, 2}, nil, "there is no worker any more"},
		{"none before", nil, []int{1}, "there was no worker before"},
	} {
		if got := replaced(test.old, func() []int { return test.now })(); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestDoubled: once is enough, since they may have been halved again.
func TestDoubled(t *testing.T) {
	now := []int{1, 2, 3}
	missing := doubled(4, func() []int { return now })
	if got := missing(); got != "at most 3 workers, not 4" {
		t.Errorf("three of four: %q", got)
	}
	now = []int{1, 2, 3, 4}
	if got := missing(); got != "" {
		t.Errorf("four: %q", got)
	}
	now = []int{1}
	if got := missing(); got != "" {
		t.Errorf("four, halved since: %q", got)
	}
}

func TestExpect(t *testing.T) {
	s := &Service{host: &Host{}, Spec: Spec{Workers: 3}}
	if s.Expect(Upgrade) != nil {
		t.Error("an upgrade shows in the workers")
	}
	for op, want := range map[Op]string{Restart: "there was no worker before", Reload: "there was no worker before", Scale: "at most 0 workers, not 6"} {
		if got := s.Expect(op)(); got != want {
			t.Errorf("%s of nothing: %q, want %q", op, got, want)
		}
	}
}

// TestComplete: all workers are waited for, but not for ever, and not those that only a load brings.
func TestComplete(t *testing.T) {
	s := &Service{host: &Host{Dir: t.TempDir()}, Spec: Spec{Workers: 2, Program: Program{File: "/bin/sleep"}}}
	script := "/bin/sleep 1000 & sleep 0.5; /bin/sleep 1001 & wait"
	if err := s.launch(t.Context(), daemon{name: "slow", argv: []string{"/bin/sh", "-c", script}}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		reapAny()
	}()
	s.complete(t.Context())
	if n := len(s.Processes().Workers); n != 2 {
		t.Errorf("%d workers, want 2", n)
	}
	s.Spec.Workers = 3
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s.complete(ctx) // a third never comes
	if ctx.Err() == nil {
		t.Error("it has not waited for the third")
	}
	s.follows = true
	begin := time.Now()
	s.complete(t.Context())
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it waited %v for a load", took)
	}
}
