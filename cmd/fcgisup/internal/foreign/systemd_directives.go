package foreign

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// serviceDirective takes one directive of [Service], all of its values.
func (s *service) serviceDirective(d *draft, key string) {
	values := s.unit.values("Service", key)
	if len(values) == 0 {
		if key == "CapabilityBoundingSet" || key == "AmbientCapabilities" { // empty, these mean: none
			d.directive("service", key, "", s.unit.at)
		}
		return
	}
	last := values[len(values)-1]
	switch key {
	case "ExecStart", "User", "Group", "StandardInput":
	case "Environment":
		for _, name := range slices.Sorted(maps.Keys(s.env)) {
			s.namedVariable(d, name, s.env[name], s.envAt[name])
		}
	case "EnvironmentFile":
		s.environmentFiles(d, values)
	case "WorkingDirectory":
		s.workingDirectory(d, last)
	case "RestartSec":
		s.restartSec(d, last)
	case "TimeoutStopSec", "TimeoutStartSec", "TimeoutSec", "RuntimeMaxSec":
		s.timeouts(d, last)
	case "KillSignal":
		if name, ok := signalName(last.Value); ok {
			d.set("stop_signal", name, last.at)
		} else {
			s.note(last.at, key, "%q is no signal", last.Value)
		}
	default:
		if why, ours := ownDirective(key, last.Value); ours {
			if why != "" {
				s.note(last.at, key, "%s", why)
			}
			return
		}
		if key == "RestrictAddressFamilies" && !strings.Contains(last.Value, "AF_NETLINK") && !strings.HasPrefix(last.Value, "~") {
			s.note(last.at, key, "AF_NETLINK is added: through it the kernel tells which worker is busy and how many requests wait")
			d.directive("service", key, "AF_NETLINK", last.at)
		}
		for _, v := range values {
			d.directive("service", key, s.passed(v.Value), v.at)
		}
	}
}

// ownDirective tells a directive that the generated unit sets by itself; why is
// empty where that comes to the same.
func ownDirective(key, value string) (why string, ours bool) {
	switch key {
	case "Type":
		if value == "simple" || value == "exec" || value == "notify" || value == "forking" || value == "idle" {
			return "", true
		}
		return "becomes notify: fcgisup tells systemd when the first worker is up", true
	case "Restart":
		if value == "always" {
			return "", true
		}
		return "a worker that ends is always replaced, whatever its exit code", true
	case "KillMode":
		if value == "control-group" || value == "mixed" {
			return "", true
		}
		return "becomes mixed: fcgisup stops its workers one by one, what is left is killed", true
	case "StandardOutput", "StandardError":
		if value == "journal" || value == "inherit" {
			return "", true
		}
		return "what workers print is in the journal", true
	case "PIDFile", "GuessMainPID", "NotifyAccess", "RemainAfterExit", "BusName":
		return "no counterpart: fcgisup itself is the main process, and knows its workers", true
	case "ExecReload":
		return "becomes a reload of fcgisup's configuration, which loses no request", true
	case "ExecStop", "ExecStopPost":
		if key == "ExecStopPost" {
			return "", false
		}
		return "no counterpart: stop_signal: asks a worker to finish", true
	case "WatchdogSec":
		return "is fcgisup's own from now on; limits.request_timeout and health: watch the workers", true
	case "RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve":
		return "belongs to fcgisup's control socket; a folder for the program can be made by tmpfiles.d(5)", true
	case "StartLimitInterval", "StartLimitIntervalSec", "StartLimitBurst", "StartLimitAction":
		return "there is no limit from now on: it would fail the socket, too", true
	case "OOMPolicy":
		return "becomes continue: a worker out of memory is replaced", true
	case "DynamicUser":
		if !yes(value) {
			return "", true
		}
		return "no counterpart: user: names one that exists", true
	case "Delegate", "NonBlocking", "Sockets", "FileDescriptorStoreMax", "RestartForceExitStatus", "RestartPreventExitStatus",
		"RestartSteps", "RestartMaxDelaySec", "SuccessExitStatus", "RootDirectory", "RootImage":
		return "no counterpart", true
	}
	return "", false
}

// namedVariable leaves out what is no name for a variable of fcgisup's.
func (s *service) namedVariable(d *draft, name, value string, at place) {
	if !variableName(name) {
		s.note(at, "Environment", "%q is no name of a variable: left out", name)
		return
	}
	s.reading.variable(d, name, value, at)
}

func (s *service) environmentFiles(d *draft, values []located) {
	for i, v := range values {
		text, ok := s.specifiers(v.Value)
		switch {
		case !ok:
			s.note(v.at, v.Key, "%s differs between instances: left out", v.Value)
		case i > 0 && d.has("environment_file"):
			s.note(v.at, v.Key, "%s: an app has one file; put the variables of this one there, or into environment:", text)
		default:
			d.set("environment_file", text, v.at)
		}
	}
}

func (s *service) workingDirectory(d *draft, last located) {
	text, ok := s.specifiers(strings.TrimPrefix(last.Value, "-"))
	if !ok || !strings.HasPrefix(text, "/") {
		s.note(last.at, last.Key, "%s is not known here: left out, so / is it", last.Value)
		return
	}
	if strings.HasPrefix(last.Value, "-") {
		s.note(last.at, last.Key, "must exist from now on")
	}
	d.set("directory", text, last.at)
}

func (s *service) restartSec(d *draft, last located) {
	v, ok := span(last.Value)
	switch {
	case !ok:
		s.note(last.at, last.Key, "%q is no time", last.Value)
	case v > 0:
		d.set("restart.delay", duration(v), last.at)
		if v > 30*time.Second {
			d.set("restart.max_delay", duration(v), last.at)
		}
	}
}

func (s *service) timeouts(d *draft, last located) {
	v, ok := span(last.Value)
	if !ok || v == 0 {
		if last.Value != "infinity" && last.Value != "0" {
			s.note(last.at, last.Key, "%q is no time", last.Value)
		} else if last.Key != "RuntimeMaxSec" {
			s.note(last.at, last.Key, "fcgisup has a limit always: limits.start_timeout and limits.stop_timeout may be long")
		}
		return
	}
	switch last.Key {
	case "TimeoutStopSec":
		d.set("limits.stop_timeout", duration(v), last.at)
	case "TimeoutStartSec":
		d.set("limits.start_timeout", duration(v), last.at)
	case "TimeoutSec":
		d.set("limits.start_timeout", duration(v), last.at)
		d.set("limits.stop_timeout", duration(v), last.at)
	case "RuntimeMaxSec":
		d.set("limits.max_age", duration(v), last.at)
		s.note(last.at, last.Key, "becomes limits.max_age, which replaces a worker between two requests instead of cutting one")
	}
}
