package fcgisup

import "slices"

// ManagerVariable reports whether systemd sets an environment variable for the
// main process of a service alone, systemd.exec(5). A child that had it would
// speak to systemd or the journal in its parent's name, take descriptors that it
// has not got, or watch the cgroup of the whole service.
//
// Not among them is what a unit's own directives make for the program:
// CREDENTIALS_DIRECTORY (LoadCredential=), STATE_DIRECTORY, CACHE_DIRECTORY,
// LOGS_DIRECTORY, CONFIGURATION_DIRECTORY, XDG_*, TERM, and DEBUG_INVOCATION, by
// which an operator asks for more output.
func ManagerVariable(name string) bool { return slices.Contains(managerVariables, name) }

var managerVariables = []string{
	"INVOCATION_ID", "SYSTEMD_EXEC_PID", "MAINPID", "MAINPIDFDID", "MANAGERPID", "MANAGERPIDFDID", "PIDFILE",
	"JOURNAL_STREAM", "LOG_NAMESPACE", // the output of a child is a pipe, not the journal's stream
	"NOTIFY_SOCKET", "FDSTORE", "WATCHDOG_PID", "WATCHDOG_USEC",
	"LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES",
	"MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", // one watch for the service: every worker would free memory at the same time
	"SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS", // of the previous run
	"MONITOR_SERVICE_RESULT", "MONITOR_EXIT_CODE", "MONITOR_EXIT_STATUS", "MONITOR_INVOCATION_ID", "MONITOR_UNIT",
	"TRIGGER_UNIT", "TRIGGER_PATH", "TRIGGER_TIMER_REALTIME_USEC", "TRIGGER_TIMER_MONOTONIC_USEC",
}
