package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// findWarned: values of the configuration that are accepted and will cause trouble.
func findWarned(f *facts) (found []finding.Finding) {
	for _, w := range f.warnings {
		found = append(found, finding.Finding{Subject: fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Col), Message: w.Key + " " + w.Msg + ".", Fix: ""})
	}
	return found
}

// findCommands: a program that cannot be started.
func findCommands(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		if a.command != nil {
			one := *a.command
			one.Severity, one.Subject = finding.Error, "app "+a.Name
			found = append(found, one)
		}
		if a.environment != nil {
			one := *a.environment
			one.Subject = "app " + a.Name
			found = append(found, one)
		}
		for _, m := range a.missing {
			found = append(found, finding.Finding{
				ID: strings.ReplaceAll(m.key, "_", "-") + "-missing", Severity: finding.Error, Subject: "app " + a.Name,
				Message: fmt.Sprintf("%s (%s:) does not exist, so no worker can start.", m.value, m.key),
				Fix:     fmt.Sprintf("create it, or fix apps.%s.%s", a.Name, m.key),
			})
		}
	}
	return found
}

// findAccounts: users and groups that do not exist.
func findAccounts(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		add := func(id, command string, c configured) {
			found = append(found, finding.Finding{
				ID: id, Severity: finding.Error, Subject: "app " + a.Name,
				Message: fmt.Sprintf("%s: %s does not exist on this host.", c.key, c.value),
				Fix:     command + " " + term.ShellWord(c.value),
			})
		}
		for _, u := range a.noUsers {
			add("user-missing", "adduser --system --group", u)
		}
		for _, g := range a.noGroups {
			add("group-missing", "addgroup --system", g)
		}
	}
	return found
}

// findDependencies: units that an app names and that are not there, or do not run.
func findDependencies(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		for _, use := range []struct {
			key   string
			names []string
			is    finding.Grade
			hurts string
		}{
			{"requires", a.Requires, finding.Error, "no instance can start"},
			{"after", a.After, finding.Warning, "instances start without waiting for it"},
			{"wants", a.Wants, finding.Warning, "it is not started"},
		} {
			for _, name := range use.names {
				u, asked := f.named[name]
				if one := dependency(a.Name, use.key, name, u, use.hurts); asked && one.ID != "" {
					one.Severity = use.is
					found = append(found, one)
				}
			}
		}
	}
	return found
}

func dependency(app, key, name string, u units.Unit, hurts string) finding.Finding {
	one := finding.Finding{Subject: "app " + app}
	switch {
	case u.Load == "not-found":
		one.ID = "dependency-not-found"
		one.Message = fmt.Sprintf("%s: names %s, which this host does not have: %s.", key, name, hurts)
		one.Fix = fmt.Sprintf("systemctl list-unit-files lists the units; fix apps.%s.%s", app, key)
	case u.Load == "masked":
		one.ID = "dependency-not-found"
		one.Message = fmt.Sprintf("%s: names %s, which is masked: %s.", key, name, hurts)
		one.Fix = "systemctl unmask " + name
	case u.Active == "failed":
		one.ID = "dependency-failed"
		one.Message = fmt.Sprintf("%s: names %s, which has failed.", key, name)
		one.Fix = fmt.Sprintf("systemctl status %s shows the cause; then systemctl restart %[1]s", name)
	}
	return one
}

// findNotApplied: an app without units.
func findNotApplied(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		if len(a.changes) > 0 && !a.installed() {
			found = append(found, finding.Finding{Subject: "app " + a.Name, Message: "It is configured, but its units are not installed.", Fix: "fcgisup apply " + a.Name})
		}
	}
	return found
}

// findDrift: files that are not what the configuration says.
func findDrift(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		if !a.installed() {
			continue
		}
		for _, c := range a.changes {
			what := map[string]string{
				"created": "It is missing; the configuration has it.",
				"changed": "It differs from the configuration: the file was edited, or the configuration has changed since.",
				"removed": "It belongs to an instance that the configuration does not have.",
			}[c.Verb]
			if what == "" || strings.HasPrefix(c.Name, "nginx/") && f.web == nil {
				continue
			}
			found = append(found, finding.Finding{Subject: c.Place, Message: what, Fix: "fcgisup apply --dry-run " + a.Name + " shows the difference; without --dry-run it removes it"})
		}
	}
	return found
}

// findUnreached: an app that is installed and that nginx does not know.
func findUnreached(f *facts) (found []finding.Finding) {
	passed := f.passed()
	variable := slices.ContainsFunc(f.web.effective.Passes, func(p pass) bool { return p.Variable })
	for _, a := range f.apps {
		if !a.installed() || variable || passed(addressesOf(a.App)) {
			continue
		}
		found = append(found, finding.Finding{
			Subject: "app " + a.Name, Message: "No location of nginx passes requests to it.",
			Fix: "include snippets/" + a.Name + "-location.conf; in a server block of nginx, then systemctl reload nginx",
		})
	}
	return found
}
