package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

func TestReasonIsSeenInTheKernel(t *testing.T) {
	for role, want := range map[string]string{
		"own-socket":     "/own.sock",
		"prints-page":    "is CGI, not FastCGI",
		"becomes-daemon": "into the background", // who is left is known to a subreaper only
		"exit-0":         "before it accepted a connection",
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			b := run(t, role, func(a *fcgisup.App) {
				a.Activation = fcgisup.Eager
				a.Limits.StartTimeout = 3 * time.Second
			})
			eventually(t, "a failure", func() bool { return b.status().LastFailure != nil })
			if f := b.status().LastFailure; !strings.Contains(f.Detail, want) {
				t.Errorf("%s: %s", f.Cause, f.Detail)
			}
		})
	}
}
