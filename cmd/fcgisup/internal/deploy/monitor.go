package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/internal/atomicfile"
	"github.com/fcgisup/fcgisup/units"
)

// monitorWork is what the host's monitor needs beside reading the configuration again.
type monitorWork struct {
	// verb is started, restarted or empty.
	verb string
	// settings are those that only a restart brings, empty if it reads another file.
	settings string
}

// monitorRecord has the settings of the last apply; it belongs to no app, so its name has no suffix.
const monitorRecord = recordRoot + "/monitor"

// planMonitor finds a monitor that runs with other settings than the system's
// configuration has, or that was skipped because there was none.
func (a *Applier) planMonitor(ctx context.Context, cfg *fcgisup.Config, src *Source) error {
	if src.Config != "" {
		return nil
	}
	a.monitor.settings = fmt.Sprintf("%s %s\n", cfg.Monitor.Listen, cfg.Monitor.Interval)
	states, err := a.systemd.List(ctx, units.MonitorUnit)
	if err != nil || len(states) == 0 {
		return err
	}
	if states[0].Up() {
		return a.planMonitorRestart(ctx, cfg)
	}
	enabled, err := a.systemd.Enabled(ctx, units.MonitorUnit)
	if err != nil || !enabled || states[0].Active != "inactive" {
		return err
	}
	skipped, err := a.systemd.Skipped(ctx, units.MonitorUnit)
	if skipped {
		a.monitor.verb = "started"
	}
	return err
}

func (a *Applier) planMonitorRestart(ctx context.Context, cfg *fcgisup.Config) error {
	began, err := a.systemd.Began(ctx, units.MonitorUnit)
	if err != nil {
		return err
	}
	applied, err := os.ReadFile(monitorRecord)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read what apply did: %w", err)
	}
	// One that began later has read the file as it is.
	if modified(cfg.Path).After(began) && string(applied) != a.monitor.settings {
		a.monitor.verb = "restarted"
	}
	return nil
}

func (w monitorWork) lines() []line {
	return when(w.verb != "", line{w.verb, units.MonitorUnit})
}

// monitorTimeout is how long the monitor may take to stop and start.
const monitorTimeout = 3 * time.Minute

// tellMonitor brings the host's monitor, where one runs, to the configuration
// that is in force now. What was applied stays, whether it can or not.
func (a *Applier) tellMonitor(ctx context.Context) error {
	if a.monitor.verb == "" {
		a.reloadMonitor(ctx)
	} else {
		within, cancel := context.WithTimeout(ctx, monitorTimeout)
		defer cancel()
		if err := a.systemd.Restart(within, units.MonitorUnit); err != nil {
			return term.Hinted(fmt.Errorf("cannot %s: the apps are as configured, but %w", a.What, err), "journalctl -u "+units.MonitorUnit+" says why")
		}
		a.print(a.monitor.lines())
	}
	return a.monitor.save()
}

func (a *Applier) reloadMonitor(ctx context.Context) {
	running, err := a.systemd.List(ctx, units.MonitorUnit)
	if err == nil && len(running) == 1 && running[0].Up() {
		err = a.systemd.ReloadUnit(ctx, units.MonitorUnit)
	}
	if err != nil {
		fmt.Fprintf(a.Err, "fcgisup: the monitor may not know of this: %v\n", err)
	}
}

func (w monitorWork) save() error {
	if w.settings == "" {
		return nil
	}
	if applied, err := os.ReadFile(monitorRecord); err == nil && string(applied) == w.settings {
		return nil
	}
	err := os.MkdirAll(recordRoot, 0o755)
	if err == nil {
		err = atomicfile.Replace(monitorRecord, []byte(w.settings), 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot record what apply does: %w", err)
	}
	return nil
}
