package peer

import (
	"fmt"
	"os"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// HasControl reports whether there is a control socket of a supervisor for an instance.
func HasControl(survey *scoreboard.Survey, roots string, in fcgisup.Instance) bool {
	return slices.ContainsFunc(control.PathsOf(roots, in), func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil && !control.Abandoned(ListenersOf(survey), path)
	})
}

// ControlPaths are --control, or all control sockets of this host.
func ControlPaths(explicit string) ([]string, error) {
	if explicit != "" {
		return []string{explicit}, nil
	}
	paths := control.Paths(ListenersOf(scoreboard.NewSurvey()))
	if len(paths) == 0 {
		return nil, term.Hinted(fmt.Errorf("no supervisor runs on this host: no control socket below %s", control.Root),
			"sleeping instances have no control socket until their first request; --control PATH names another one")
	}
	return paths, nil
}
