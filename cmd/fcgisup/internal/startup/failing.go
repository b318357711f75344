package startup

import (
	"context"
	"fmt"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// Services is what systemd is asked about services.
type Services interface {
	List(ctx context.Context, patterns ...string) ([]units.State, error)
	Service(ctx context.Context, service string) (units.Service, error)
}

// FindFailing corrects instances that seem to sleep: those whose service has
// failed, or is started again and again and never gets as far as a supervisor.
// What systemd cannot be asked stays as it is.
func FindFailing(ctx context.Context, systemd Services, all []control.Status) {
	states, err := systemd.List(ctx, units.AllServices)
	if err != nil {
		return
	}
	active := map[string]string{}
	for _, s := range states {
		active[s.Name] = s.Active
	}
	for i, st := range all {
		unit := units.Names(st.App).Service(st.Instance)
		if !mayFail(active[unit]) {
			continue
		}
		if failure := failureOf(ctx, systemd, unit, st.App); failure != nil {
			all[i].State, all[i].Since, all[i].LastFailure = control.InstanceFailing, failure.At, failure
		}
	}
}

// mayFail reports whether a service in such an ActiveState may be one that fails.
func mayFail(active string) bool {
	return active == "failed" || active == "activating" || active == "deactivating"
}

// failureOf returns why a service never gets as far as a supervisor, nil if it does or if
// systemd does not say. The app is empty for a unit that gen has not made.
func failureOf(ctx context.Context, systemd Services, unit, app string) *control.Failure {
	s, err := systemd.Service(ctx, unit)
	if err != nil {
		return nil
	}
	how := serviceFailure(s)
	if how == "" {
		return nil
	}
	next := "journalctl -u " + unit
	if cause, fix := DeniedMounts(s.Result, s.Exit, s.MissingMounts, app); cause != "" {
		how, next = how+"; "+cause, fix
	}
	return &control.Failure{At: s.Began, Cause: control.SpawnError, Detail: how + "; " + next}
}

// DeniedMounts is why systemd cannot set up the mounts of a service that fails, and what to
// do; empty if that is not the reason.
func DeniedMounts(result string, exit int, missing []string, app string) (cause, fix string) {
	switch {
	case len(missing) > 0: // whatever the result: between two starts it is that of none
		directive, path, _ := strings.Cut(missing[0], "=")
		return "the sandbox may forbid this: " + missing[0] + " does not exist", "create " + term.ShellWord(path) + ", or write -" + path + " in " + directive + "="
	case result != "exit-code" || exit != units.NamespaceExit:
		return "", ""
	}
	fix = "journalctl -u '" + units.Names(app).Any() + "' names the path; apps." + app + ": systemd: {sandbox: off} goes without them"
	if app == "" {
		fix = "the journal names the path"
	}
	return "the sandbox may forbid this: systemd cannot set up the mounts of its directives (PrivateTmp=, BindPaths=, …)", fix
}

// RepeatedStarts is how many restarts are not an accident, such as a kill.
const RepeatedStarts = 2

// serviceFailure is why a service without a supervisor is not merely asleep or about to start.
func serviceFailure(s units.Service) string {
	how := units.Ending(s.Result, s.Exit)
	switch {
	case s.Active == "failed":
		return "its service has failed: " + how
	case s.Restarts < RepeatedStarts:
		return ""
	case s.Result == "success":
		return fmt.Sprintf("systemd has restarted its service %d times", s.Restarts)
	}
	return fmt.Sprintf("systemd keeps restarting its service (%d times): %s", s.Restarts, how)
}
