package doctor

import (
	"slices"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
)

// rule is a row of the table: what it finds, how much that hurts, and the check.
type rule struct {
	// name and severity are those of its findings, but for those that say otherwise themselves.
	name     string
	severity finding.Grade
	// when is what must have been seen for the check; nil: nothing.
	when func(*facts) bool
	// early rules hold before anything of an app is on the host: apply asks them, too.
	early bool
	// check is a pure function of what was seen.
	check func(*facts) []finding.Finding
}

func hasNginx(f *facts) bool       { return f.web != nil }
func readsNginx(f *facts) bool     { return f.web != nil && f.web.effective != nil }
func knowsSomaxconn(f *facts) bool { return f.somaxconn > 0 }

const (
	bad  = finding.Error
	warn = finding.Warning
	note = finding.Note
)

// rules are all there are, in the order of the report.
func rules() []rule { return slices.Concat(appRules(), socketRules(), webRules()) }

// appRules are about the configuration, what it names on this host, and what runs.
func appRules() []rule {
	return []rule{
		{name: "configuration-warning", severity: warn, early: true, check: findWarned},
		{name: "command-missing", severity: bad, early: true, check: findCommands},
		{name: "configuration-unreadable", severity: bad, early: true, check: findUnreadable},
		{name: "writable-by-others", severity: warn, check: findWritable},
		{name: "user-missing", severity: bad, early: true, check: findAccounts},
		{name: "dependency-failed", severity: warn, early: true, check: findDependencies},
		{name: "not-applied", severity: note, check: findNotApplied},
		{name: "drift", severity: warn, check: findDrift},
		{name: "instance-left-over", severity: warn, check: findLeftOver},
		{name: "instance-failing", severity: bad, check: findFailing},
		{name: "prefork-failed", severity: warn, check: findUnforked},
		{name: "service-failed", severity: bad, check: findFailedServices},
		{name: "sandbox-strict", severity: warn, early: true, check: findSandbox},
		{name: "path-missing", severity: warn, early: true, check: findIgnoredPaths},
		{name: "sandbox-denial", severity: warn, check: findDenials},
		{name: "monitor-failed", severity: bad, check: findMonitorFailed},
		{name: "monitor-stopped", severity: warn, check: findMonitorStopped},
		{name: "monitor-token", severity: bad, check: findMonitorToken},
		{name: "alert-unusable", severity: bad, check: findUnusableAlerts},
	}
}

// socketRules are about sockets, their services and units.
func socketRules() []rule {
	return []rule{
		{name: "socket-failed", severity: bad, check: findFailedSockets},
		{name: "socket-stopped", severity: bad, check: findIdleSockets},
		{name: "service-not-found", severity: bad, check: findNoService},
		{name: "path-missing", severity: bad, check: findNoProgram},
		{name: "socket-file-missing", severity: bad, check: findLostSockets},
		{name: "socket-in-runtime-directory", severity: bad, check: findVanishingSockets},
		{name: "private-tmp", severity: bad, when: hasNginx, check: findNginxTmp},
		{name: "private-tmp", severity: warn, check: findPrivateTmp},
		{name: "socket-world-writable", severity: warn, check: findOpenSockets},
		{name: "socket-open-to-network", severity: warn, check: findNetworkSockets},
		{name: "socket-open-to-app", severity: warn, check: findNeighbours},
		{name: "backlog-above-somaxconn", severity: warn, when: knowsSomaxconn, early: true, check: findBacklogs},
		{name: "start-limit", severity: warn, check: findStartLimits},
		{name: "trigger-limit", severity: warn, check: findTriggerLimits},
		{name: "listener-nonblocking", severity: note, check: findNonblocking},
		{name: "daemon-reload-needed", severity: warn, check: findStaleUnits},
		{name: "not-enabled", severity: warn, check: findNotEnabled},
	}
}

// webRules are about the web server.
func webRules() []rule {
	return []rule{
		{name: "nginx-refuses", severity: bad, when: hasNginx, check: findBrokenNginx},
		{name: "nginx-not-reloaded", severity: warn, when: hasNginx, check: findNotReloaded},
		{name: "pass-variable", severity: note, when: readsNginx, check: findVariable},
		{name: "pass-unserved", severity: bad, when: readsNginx, check: findUnserved},
		{name: "pass-without-unit", severity: note, check: findUnowned},
		{name: "app-unreached", severity: warn, when: readsNginx, check: findUnreached},
		{name: "web-server-blind", severity: bad, when: hasNginx, check: findBlind},
		{name: "web-user-denied", severity: bad, when: hasNginx, check: findDenied},
		{name: "web-user-denied", severity: bad, when: hasNginx, early: true, check: findWebUser},
		{name: "nginx-not-included", severity: warn, when: readsNginx, early: true, check: findNotIncluded},
		{name: "pass-half-served", severity: warn, when: hasNginx, check: findHalfServed},
		{name: "upstream-round-robin", severity: warn, when: readsNginx, check: eachUpstream(findRoundRobin)},
		{name: "upstream-without-zone", severity: warn, when: readsNginx, check: eachUpstream(findNoZone)},
		{name: "upstream-max-fails", severity: warn, when: readsNginx, check: eachUpstream(findMaxFails)},
		{name: "upstream-max-conns", severity: warn, when: readsNginx, check: eachUpstream(findMaxConns)},
		{name: "upstream-keepalive", severity: warn, when: readsNginx, check: eachUpstream(findKeepalive)},
		{name: "next-upstream-unbound", severity: warn, when: readsNginx, check: eachUpstream(findUnboundedRetry)},
	}
}

// find applies the rule, and completes its findings.
func (r rule) find(f *facts) []finding.Finding {
	if r.when != nil && !r.when(f) {
		return nil
	}
	found := r.check(f)
	for i := range found {
		if found[i].ID == "" {
			found[i].ID = r.name
		}
		if found[i].Severity == "" {
			found[i].Severity = r.severity
		}
	}
	return found
}
