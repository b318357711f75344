package main

import (
	"context"
	"fmt"

	"github.com/fcgisup/fcgisup/units"
)

// tellMonitor has the host's monitor, where one runs, read the configuration
// that is in force now. What was applied stays, whether it can or not.
func (a *applier) tellMonitor(ctx context.Context) {
	running, err := a.systemd.List(ctx, units.MonitorUnit)
	if err == nil && len(running) == 1 && running[0].Up() {
		err = a.systemd.ReloadUnit(ctx, units.MonitorUnit)
	}
	if err != nil {
		fmt.Fprintf(a.stdio.err, "fcgisup: the monitor may not know of this: %v\n", err)
	}
}
