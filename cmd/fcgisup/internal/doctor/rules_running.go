package doctor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// findFailing: instances whose supervisor has no worker that lives.
func findFailing(f *facts) (found []finding.Finding) {
	for _, st := range f.failing {
		fix := "fcgisup status " + st.App + " --json shows its last lines, under last_failure"
		if f.systemd {
			fix += "; journalctl -u '" + units.Names(st.App).Services() + "' has all"
		}
		if last := st.LastFailure; last != nil && last.Cause == control.ListenSocket {
			fix = "free the path; fcgisup then creates the socket again"
			if f.systemd {
				fix = "systemctl restart " + units.Names(st.App).Socket(st.Instance)
			}
		}
		why := WhyFailing(st)
		found = append(found, finding.Finding{
			Subject: st.App + "@" + strconv.Itoa(st.Instance), Message: strings.ToUpper(why[:1]) + why[1:] + ".", Fix: fix,
		})
	}
	return found
}

// findUnforked: instances whose workers are started one by one, although workers.prefork asks for a template.
func findUnforked(f *facts) (found []finding.Finding) {
	for _, st := range f.unforked {
		found = append(found, finding.Finding{
			Subject: st.App + "@" + strconv.Itoa(st.Instance),
			Message: "Its workers are not forked from a template; each loads the program: " + strings.TrimSuffix(st.Template.Reason, ".") + ".",
			Fix:     "fix the cause (fcgisup.yaml(5), workers.prefork) and run fcgisup restart " + st.App + ", or remove workers.prefork",
		})
	}
	return found
}

// failureState tells how a service ends each time; empty if it does not, or ends as a matter of course.
func failureState(u units.ServiceUnit) string {
	again := strings.HasPrefix(u.Sub, "auto-restart") && u.Result != "success" || u.Active == "activating" && u.Restarts >= startup.RepeatedStarts
	if !again && u.Active != "failed" {
		return ""
	}
	how := units.Ending(u.Result, u.Exit)
	if again && u.Result == "success" {
		how = fmt.Sprintf("%d times", u.Restarts) // between the end of one and that of the next
	}
	if again {
		return "It fails, and systemd restarts it each time (" + how + ")."
	}
	return "It has failed (" + how + ")."
}

// findFailedServices: services that do not stay up. What keeps them from it and is known is a finding of its own.
func findFailedServices(f *facts) (found []finding.Finding) {
	for _, s := range f.sockets {
		if how := failureState(s.service); how != "" && s.Active != "failed" && len(s.missing) == 0 && s.program == nil {
			next := "journalctl -u " + subjectMark + " -n 20; then systemctl restart " + subjectMark
			if cause, fix := startup.DeniedMounts(s.service.Result, s.service.Exit, s.service.MissingMounts, s.app); cause != "" {
				how, next = strings.TrimSuffix(how, ".")+": "+cause+".", fix+"; journalctl -u "+subjectMark+" -n 20"
			}
			found = append(found, finding.Finding{Subject: s.Service, Message: how, Fix: next})
		}
	}
	return found
}

// findLeftOver: instances that a scale-down has not stopped.
func findLeftOver(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		for _, s := range f.sockets {
			app, n, _, ok := units.Parse(s.Name)
			if !ok || app != a.Name || s.app != a.Name || !s.Up() && !s.service.Up() {
				continue
			}
			if n > a.Instances {
				found = append(found, finding.Finding{
					Subject: s.Name, Message: fmt.Sprintf("It runs, but the configuration has only %s of the app.", term.Plural(a.Instances, "instance")), Fix: "fcgisup apply " + a.Name,
				})
			}
		}
	}
	return found
}

// findMonitorFailed: the host is not watched, and no alert is sent.
func findMonitorFailed(f *facts) (found []finding.Finding) {
	if how := failureState(f.monitor.unit); how != "" {
		found = append(found, finding.Finding{Subject: units.MonitorUnit, Message: how + " The host is not watched, and no alert is sent.", Fix: "journalctl -u " + units.MonitorUnit + " -n 20"})
	}
	return found
}

// findMonitorStopped: the monitor should run and does not, and has not failed.
func findMonitorStopped(f *facts) (found []finding.Finding) {
	m := f.monitor
	if failureState(m.unit) == "" && m.due && m.unit.Active == "inactive" && m.unit.FileState == "enabled" {
		found = append(found, finding.Finding{Subject: units.MonitorUnit, Message: "It is enabled but does not run: the host is not watched, and no alert is sent.", Fix: "systemctl start " + units.MonitorUnit})
	}
	return found
}

// findMonitorToken: a token file that the monitor cannot use.
func findMonitorToken(f *facts) []finding.Finding {
	if f.monitor.token == nil {
		return nil
	}
	fix := ""
	var e *term.ExitError
	if errors.As(f.monitor.token, &e) {
		fix = e.Hint
	}
	return []finding.Finding{{Subject: units.MonitorUnit, Message: "The monitor cannot start: " + f.monitor.token.Error() + ".", Fix: fix}}
}

// findUnusableAlerts: receivers that no alert reaches.
func findUnusableAlerts(f *facts) (found []finding.Finding) {
	for _, d := range f.monitor.unreachable {
		found = append(found, finding.Finding{Subject: "alert " + d.name, Message: "It receives no alerts: " + strings.TrimRight(d.why, ".") + ".", Fix: d.fix})
	}
	return found
}
