package main

import (
	"os"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// hasControl reports whether there is a control socket of a supervisor for an instance.
func hasControl(survey *scoreboard.Survey, roots string, in fcgisup.Instance) bool {
	return slices.ContainsFunc(control.PathsOf(roots, in), func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil && !control.Abandoned(peer.ListenersOf(survey), path)
	})
}
