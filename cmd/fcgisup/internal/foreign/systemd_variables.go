package foreign

import (
	"path"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// directoryVariables are those that hold directories of a unit, systemd.exec(5).
var directoryVariables = map[string]struct{ key, above string }{
	"RUNTIME_DIRECTORY":       {"RuntimeDirectory", "/run"},
	"STATE_DIRECTORY":         {"StateDirectory", "/var/lib"},
	"CACHE_DIRECTORY":         {"CacheDirectory", "/var/cache"},
	"LOGS_DIRECTORY":          {"LogsDirectory", "/var/log"},
	"CONFIGURATION_DIRECTORY": {"ConfigurationDirectory", "/etc"},
}

// managerVariables are others that systemd sets, systemd.exec(5) "Environment Variables in Spawned Processes".
var managerVariables = words("PATH LANG LANGUAGE USER LOGNAME HOME SHELL CREDENTIALS_DIRECTORY INVOCATION_ID XDG_RUNTIME_DIR XDG_SESSION_ID XDG_SEAT XDG_VTNR " +
	"MAINPID MANAGERPID MANAGERPIDFDID SYSTEMD_EXEC_PID LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTEN_PIDFDID NOTIFY_SOCKET WATCHDOG_PID WATCHDOG_USEC TERM COLORTERM NO_COLOR " +
	"LOG_NAMESPACE JOURNAL_STREAM SERVICE_RESULT EXIT_CODE EXIT_STATUS MONITOR_SERVICE_RESULT MONITOR_EXIT_CODE MONITOR_EXIT_STATUS MONITOR_INVOCATION_ID MONITOR_UNIT " +
	"PIDFILE REMOTE_ADDR REMOTE_PORT TRIGGER_UNIT TRIGGER_PATH TRIGGER_TIMER_REALTIME_USEC TRIGGER_TIMER_MONOTONIC_USEC MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE FDSTORE DEBUG_INVOCATION")

// managerVariable is a variable that systemd sets without Environment=; ok is false if it sets none of this name.
func (s *service) managerVariable(name string) (value shell.Word, ok bool) {
	for _, d := range s.unit.values("Service", "PassEnvironment") {
		if slices.Contains(strings.Fields(d.Value), name) {
			return shell.Word{Unknown: "$" + name + " is of systemd's environment (PassEnvironment=)"}, true
		}
	}
	unknown := shell.Word{Unknown: "$" + name + " is set by systemd, and its value is not known here"}
	if d, is := directoryVariables[name]; is {
		var all []string
		for _, v := range s.unit.values("Service", d.key) {
			text, ok := s.specifiers(v.Value)
			if !ok {
				return unknown, true
			}
			for field := range strings.FieldsSeq(text) {
				directory, _, _ := strings.Cut(field, ":") // behind it: names of links, and flags
				all = append(all, path.Join(d.above, directory))
			}
		}
		return shell.Known(strings.Join(all, ":")), len(all) > 0
	}
	if name == "USER" || name == "LOGNAME" {
		if user, set := s.unit.last("Service", "User"); set {
			text, ok := s.specifiers(user.Value)
			if _, number := wholeNumber(text); ok && !number {
				return shell.Known(text), true
			}
		}
	}
	return unknown, managerVariables[name] || strings.HasPrefix(name, "LC_")
}
