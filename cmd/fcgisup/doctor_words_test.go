package main

import (
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor"
)

// TestLastWords: a worker that failed without a line may have told nginx; one that was never executed has not.
func TestLastWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failure supervisor.Failure
		want    string
		nginx   bool
	}{
		{supervisor.Failure{Cause: supervisor.Crash, Detail: "exit status 1"}, "exit status 1", true},
		{supervisor.Failure{Cause: supervisor.Crash, Detail: "exit status 1", Output: []string{"no data base"}}, "it printed: no data base", false},
		{supervisor.Failure{Cause: supervisor.SpawnError, Detail: "cannot execute /a: permission denied"}, "permission denied", false},
	} {
		got := lastWordsOf(supervisor.Status{LastFailure: &c.failure})
		if !strings.Contains(got, c.want) || strings.Contains(got, "the error log of nginx") != c.nginx {
			t.Errorf("%+v: %q", c.failure, got)
		}
	}
}
