package watch

import (
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/units"
)

// TestResultNamesTheSandbox: the page says what status says of a service that systemd cannot start because of its mounts.
func TestResultNamesTheSandbox(t *testing.T) {
	t.Parallel()
	state := units.State{Name: "rt-fastcgi@1.service"}
	for _, c := range []struct {
		name    string
		service units.Service
		want    []string
	}{
		{"a missing path", units.Service{State: state, Result: "exit-code", Exit: units.NamespaceExit, MissingMounts: []string{"ReadWritePaths=/srv/x"}}, []string{"226/NAMESPACE", "the sandbox may forbid this: ReadWritePaths=/srv/x does not exist", "create /srv/x"}},
		{"an unknown path", units.Service{State: state, Result: "exit-code", Exit: units.NamespaceExit}, []string{"226/NAMESPACE", "the sandbox may forbid this", "sandbox: off"}},
		{"a crash", units.Service{State: state, Result: "exit-code", Exit: 3}, []string{"exit code 3"}},
	} {
		got := resultOf(c.service)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", c.name, got, want)
			}
		}
	}
	if got := resultOf(units.Service{State: state, Result: "success"}); got != "success" {
		t.Errorf("a service that ends well: %q", got)
	}
}
