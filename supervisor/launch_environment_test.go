package supervisor

import (
	"slices"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// What systemd says to the main process of a service is not for its workers; what
// a unit's directives make for the program is.
func TestWorkersDoNotGetTheSupervisorsVariables(t *testing.T) {
	kept := []string{"CREDENTIALS_DIRECTORY=/run/credentials/x", "DEBUG_INVOCATION=1", "LANG=C.UTF-8", "LISTEN_ADDRESS=::1", "STATE_DIRECTORY=/var/lib/x"}
	environ := slices.Clone(kept)
	for _, name := range []string{
		"JOURNAL_STREAM", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
		"LISTEN_FDNAMES", "LISTEN_PIDFDID", "RUNTIME_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "MAINPID", "MANAGERPID",
		"FDSTORE", "LOG_NAMESPACE", "SERVICE_RESULT", "TRIGGER_UNIT", "FCGISUP_CONFIG", "FCGISUP_WORKER", "FCGI_WEB_SERVER_ADDRS",
	} {
		environ = append(environ, name+"=1")
	}
	app := roleApp("serve", t.TempDir())
	app.User, app.Environment = "", nil
	l, err := worker.NewLaunch(app, environ)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Env, kept) {
		t.Errorf("a worker gets %q, want %q", l.Env, kept)
	}
	// What the administrator has written is the program's, whatever its name.
	app.Environment = map[string]string{"INVOCATION_ID": "mine"}
	if l, err = worker.NewLaunch(app, environ); err != nil || !slices.Contains(l.Env, "INVOCATION_ID=mine") {
		t.Errorf("%q, %v", l.Env, err)
	}
}
