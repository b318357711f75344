package foreign

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
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
	case "ExecStart", "User", "Group", "StandardInput", "DynamicUser", "PermissionsStartOnly":
	case "ExecStartPre", "ExecStartPost", "ExecStopPost", "ExecCondition":
		s.beside(d, values)
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
			s.note(last.at, key, "%q is not a signal", last.Value)
		}
	default:
		if why, ours := remarkFor(ownDirectives, key, last.Value); ours {
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

// ownDirectives are those that the generated unit sets by itself.
var ownDirectives = []remark{
	{"Type", "simple exec notify forking idle", "becomes notify: fcgisup tells systemd when the first worker is up"},
	{"Restart", "always", "a worker that ends is always replaced, whatever its exit code"},
	{"KillMode", "control-group mixed", "becomes mixed: fcgisup stops its workers one by one, what is left is killed"},
	{"StandardOutput StandardError", "journal inherit", "what workers print is in the journal"},
	{"PIDFile GuessMainPID NotifyAccess RemainAfterExit BusName", "", "no counterpart: fcgisup itself is the main process, and knows its workers"},
	{"ExecReload", "", "becomes a reload of fcgisup's configuration, which loses no request"},
	{"ExecStop", "", "no counterpart: stop_signal: asks a worker to finish"},
	{"WatchdogSec", "", "is fcgisup's own from now on; limits.request_timeout and health: watch the workers"},
	{"RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve", "", "belongs to fcgisup's control socket; a directory for the program can be made by tmpfiles.d(5)"},
	{"StartLimitInterval StartLimitIntervalSec StartLimitBurst StartLimitAction", "", "there is no limit from now on: it would fail the socket, too"},
	{"OOMPolicy", "", "becomes continue: a worker out of memory is replaced"},
	{"Delegate NonBlocking Sockets FileDescriptorStoreMax RestartForceExitStatus RestartPreventExitStatus " +
		"RestartSteps RestartMaxDelaySec SuccessExitStatus", "", "no counterpart"},
}

// beside takes commands that run before and after the program, less those that meet its socket: systemd holds it from
// now on, whether the program runs or not.
func (s *service) beside(d *draft, values []located) {
	for _, v := range values {
		line := strings.TrimLeft(v.Value, "-@:+!|")
		prefixes := v.Value[:len(v.Value)-len(line)]
		text, _ := s.specifiers(line)
		if argv, err := fcgisup.SplitCommand(text); err == nil {
			if why, ok := s.socketCommands(d, argv, v.at); ok {
				s.note(v.at, v.Key, "%s: %s", text, why)
				continue
			}
		}
		passed := s.passed(line)
		if s.asRoot() && d.values["user"] != "root" && !strings.ContainsAny(prefixes, "+!") {
			s.note(v.at, v.Key, "gets +, so that it runs as root as before; the app's service has a user")
			prefixes = "+" + prefixes
		}
		d.directive("service", v.Key, prefixes+passed, v.at)
	}
}

// asRoot reports whether the unit's other commands run as root.
func (s *service) asRoot() bool {
	user, ok := s.unit.last("Service", "User")
	only, _ := s.unit.last("Service", "PermissionsStartOnly")
	return !ok || user.Value == "root" || user.Value == "0" || yes(only.Value)
}

// socketCommands looks for commands about the socket, in the script of sh -c too.
func (s *service) socketCommands(d *draft, argv []string, at place) (string, bool) {
	if len(argv) >= 3 && shells[path.Base(argv[0])] && strings.HasSuffix(argv[1], "c") {
		h := &socketHost{service: s, draft: d, at: at}
		script := shell.Script{File: at.file, Text: []byte(argv[2]), At: &shell.Place{File: at.file, Line: at.line}}
		if shell.Run(script, h) != nil && strings.Contains(argv[2], "rm ") {
			return "left out, since it is not understood and may remove the socket", true
		}
		return h.why, h.why != ""
	}
	return s.aboutSocket(argv, []*draft{d}, at)
}

// socketHost listens for commands about a socket in a script.
type socketHost struct {
	*service
	draft *draft
	at    place
	why   string
}

func (h *socketHost) Command(c *shell.Command) shell.Status {
	var argv []string
	for _, w := range c.Argv {
		argv = append(argv, w.Text)
		if !w.OK() && (argv[0] == "rm" || argv[0] == "unlink") {
			h.why = "left out: it removes files that are not known here, and may remove the socket"
		}
	}
	if why, ok := h.aboutSocket(argv, []*draft{h.draft}, h.at); ok {
		h.why = why
	}
	return shell.Maybe
}

func (*socketHost) Started() int { return 0 }

func (*socketHost) Remark(shell.Place, string, string) {}

func (*socketHost) File(string) (string, []byte, bool) { return "", nil, false }

func (*socketHost) Alternatives(_ shell.Place, _ string, branches []func()) {
	for _, follow := range branches {
		follow()
	}
}

// namedVariable leaves out what is not a name for a variable of fcgisup's.
func (s *service) namedVariable(d *draft, name, value string, at place) {
	if !variableName(name) {
		s.note(at, "Environment", "%q is not a name of a variable: left out", name)
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
		s.note(last.at, last.Key, "%q is not a duration", last.Value)
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
			s.note(last.at, last.Key, "%q is not a duration", last.Value)
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
