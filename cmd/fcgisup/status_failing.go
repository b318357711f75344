package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/units"
)

// services is what systemd is asked about services.
type services interface {
	List(ctx context.Context, patterns ...string) ([]units.State, error)
	Service(ctx context.Context, service string) (units.Service, error)
}

// findFailingServices corrects instances that seem to sleep: those whose service has
// failed, or is started again and again and never gets as far as a supervisor.
// What systemd cannot be asked stays as it is.
func findFailingServices(ctx context.Context, systemd services, all []supervisor.Status) {
	states, err := systemd.List(ctx, "*-fastcgi@*.service")
	if err != nil {
		return
	}
	active := map[string]string{}
	for _, s := range states {
		active[s.Name] = s.Active
	}
	for i, st := range all {
		unit := unitName(st.App, st.Instance, "service")
		if a := active[unit]; a != "failed" && a != "activating" && a != "deactivating" {
			continue
		}
		s, err := systemd.Service(ctx, unit)
		if err != nil {
			continue
		}
		if how := serviceFailure(s); how != "" {
			all[i].State, all[i].Since = supervisor.InstanceFailing, s.Began
			next := "journalctl -u " + unit
			if cause, fix := deniedMounts(s.Result, s.Exit, s.MissingMounts, st.App); cause != "" {
				how, next = how+"; "+cause, fix
			}
			all[i].LastFailure = &supervisor.Failure{At: s.Began, Cause: supervisor.SpawnError, Detail: how + "; " + next}
		}
	}
}

// deniedMounts is why systemd cannot set up the mounts of a service that fails, and what to
// do; empty if that is not the reason.
func deniedMounts(result string, exit int, missing []string, app string) (cause, fix string) {
	switch {
	case len(missing) > 0: // whatever the result: between two starts it is that of none
		directive, path, _ := strings.Cut(missing[0], "=")
		return "the sandbox may forbid this: " + missing[0] + " does not exist", "create " + shellWord(path) + ", or write -" + path + " in " + directive + "="
	case result != "exit-code" || exit != units.NamespaceExit:
		return "", ""
	}
	fix = "journalctl -u '" + app + "-fastcgi@*' names the path; apps." + app + ": systemd: {sandbox: off} goes without them"
	if app == "" {
		fix = "the journal names the path"
	}
	return "the sandbox may forbid this: systemd cannot set up the mounts of its directives (PrivateTmp=, BindPaths=, …)", fix
}

// againAndAgain is how many restarts are no accident, such as a kill.
const againAndAgain = 2

// serviceFailure is why a service without a supervisor is not merely asleep or about to start.
func serviceFailure(s units.Service) string {
	how := units.Ending(s.Result, s.Exit)
	switch {
	case s.Active == "failed":
		return "its service has failed: " + how
	case s.Restarts < againAndAgain:
		return ""
	case s.Result == "success":
		return fmt.Sprintf("systemd has started its service again %d times", s.Restarts)
	}
	return fmt.Sprintf("systemd starts its service again and again (%d times): %s", s.Restarts, how)
}
