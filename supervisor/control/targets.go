package control

import (
	"time"

	"github.com/fcgisup/fcgisup"
)

const (
	// longestRoll bounds a restart or reload of one supervisor whose app is not known.
	longestRoll = time.Hour
	// rollReserve is for a slow machine.
	rollReserve = time.Minute
)

// RollTimeout is how long a supervisor may take to replace the workers of an
// instance one by one, or of all instances.
func RollTimeout(app *fcgisup.App) time.Duration {
	if app == nil {
		return longestRoll
	}
	each := app.Limits.StartTimeout + app.Limits.StopTimeout
	workers := time.Duration(max(app.Workers.Max, app.Workers.Min, 1) * max(app.Instances, 1))
	if each <= 0 || each > longestRoll {
		return longestRoll
	}
	return min(workers*each+rollReserve, longestRoll)
}

// Targets of the control socket.
const (
	RestartTarget = "/restart"
	ReloadTarget  = "/reload"
)
