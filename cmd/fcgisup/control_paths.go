package main

import (
	"fmt"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// controlPaths are --control, or all control sockets of this host.
func controlPaths(explicit string) ([]string, error) {
	if explicit != "" {
		return []string{explicit}, nil
	}
	paths := control.Paths(peer.ListenersOf(scoreboard.NewSurvey()))
	if len(paths) == 0 {
		return nil, term.Hinted(fmt.Errorf("no supervisor runs here: no control socket under %s", control.Root),
			"instances that sleep under systemd have none until their first request; --control PATH names another socket")
	}
	return paths, nil
}
