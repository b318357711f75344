package units

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// answer is a systemd that answers every job in this way at once, before the call returns, as a fast one may.
func answer(results map[string]string) begin {
	return func(_ context.Context, unit, mode string, result chan<- string) (int, error) {
		if mode != "replace" {
			return 0, errors.New("mode " + mode)
		}
		said, ok := results[unit]
		if !ok {
			return 0, errors.New("unit not found")
		}
		if said != "" {
			result <- said
		}
		return 1, nil
	}
}

func TestJobs(t *testing.T) {
	begin := answer(map[string]string{"a": "done", "b": "failed", "c": "dependency", "d": "timeout", "e": "skipped"})
	tests := []struct{ units, want string }{
		{"", ""},
		{"a a a", ""},
		{"a b", `cannot start b: the job's result is "failed"`},
		{"nosuch", "cannot start nosuch: unit not found"},
		{"b nosuch a", `cannot start b: the job's result is "failed"; cannot start nosuch: unit not found`},
		{"b c d e nosuch", `cannot start b: the job's result is "failed"; cannot start c: the job's result is "dependency"; cannot start d: the job's result is "timeout"; and 2 more`},
	}
	for _, test := range tests {
		got := ""
		if err := jobs(t.Context(), "start", strings.Fields(test.units), begin, nil); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: %s\nwant %s", test.units, got, test.want)
		}
	}
	var job *JobError
	if err := jobs(t.Context(), "stop", []string{"b", "nosuch"}, begin, nil); !errors.As(err, &job) || job.Unit != "b" || job.Result != "failed" {
		t.Errorf("%v does not tell the job", err)
	}
}

// TestJobsEnd: a job whose end is not reported, as when systemd is executed again, does not outlast its context.
func TestJobsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := jobs(ctx, "stop", []string{"silent", "a"}, answer(map[string]string{"silent": "", "a": "done"}), nil)
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "cannot stop silent: ") {
		t.Errorf("got %v", err)
	}
}

// TestConnect: only where systemd is the init is there anything to reach.
func TestConnect(t *testing.T) {
	_, missing := os.Lstat(booted)
	s, err := Connect(t.Context())
	if errors.Is(err, ErrNoSystemd) != (missing != nil) {
		t.Errorf("got %v, though %s: %v", err, booted, missing)
	}
	if err == nil {
		s.Close()
	}
}
