package doctor

import (
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestLastWords: a worker that failed without a line may have told nginx; one that was never executed has not.
func TestLastWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failure control.Failure
		want    string
		nginx   bool
	}{
		{control.Failure{Cause: control.Crash, Detail: "exit status 1"}, "exit status 1", true},
		{control.Failure{Cause: control.Crash, Detail: "exit status 1", Output: []string{"no data base"}}, "it printed: no data base", false},
		{control.Failure{Cause: control.SpawnError, Detail: "cannot execute /a: permission denied"}, "permission denied", false},
	} {
		got := WhyFailing(control.Status{LastFailure: &c.failure})
		if !strings.Contains(got, c.want) || strings.Contains(got, "the error log of nginx") != c.nginx {
			t.Errorf("%+v: %q", c.failure, got)
		}
	}
}
