package show

import (
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestFirstLines: the reason is quoted, not the end of its trace, and blank lines are not.
func TestFirstLines(t *testing.T) {
	f := &control.Failure{Output: []string{"", "  ", "Can't locate FCGI.pm\x1b[31m", "", " at x line 1", "BEGIN failed", "more"}}
	if got, want := control.FirstLines(f), "Can't locate FCGI.pm"; !strings.HasPrefix(got, want) || strings.Contains(got, "\x1b") || !strings.HasSuffix(got, " / at x line 1 / BEGIN failed") {
		t.Errorf("%q", got)
	}
	if got := control.FirstLines(nil) + control.FirstLines(&control.Failure{Output: []string{""}}); got != "" {
		t.Errorf("%q of nothing", got)
	}
	var b strings.Builder
	failing := control.Status{App: "a", Instance: 1, State: control.InstanceFailing, LastFailure: &control.Failure{Output: []string{"x"}}}
	second := failing
	second.Instance = 2
	if err := outputs(&b, []control.Status{failing, {App: "b", State: control.Up, LastFailure: failing.LastFailure}, second}); err != nil || b.String() != "a@1, a@2 printed: x\n" {
		t.Errorf("%q, %v", &b, err)
	}
}
