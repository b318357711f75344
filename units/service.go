package units

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// margin is how much longer systemd waits than the supervisor: the supervisor decides, systemd is the backstop.
const margin = 10 * time.Second

func (r renderer) service() unit {
	s := section{name: "Service"}
	if r.app.Systemd.Supervise {
		r.supervised(&s)
	} else {
		r.plain(&s)
	}
	r.sandbox(&s)
	s.override(r.app.Systemd.Service, "systemd.service")
	return unit{r.serviceUnit(), s}
}

func (r renderer) serviceUnit() section {
	app := r.app
	u := section{name: "Unit"}
	u.set("Description", r.describe("FastCGI instance %i"))
	u.set("PartOf", r.name(".target"))
	u.because("If started by hand, it needs its socket, and stops with it.")
	u.set("Requires", r.name("@%%i.socket"))
	u.set("After", strings.Join(slices.Concat([]string{r.name("@%%i.socket"), "network.target", "remote-fs.target"}, app.After, r.late()), " "))
	if len(app.Wants) > 0 {
		u.set("Wants", strings.Join(app.Wants, " "))
	}
	if len(app.Requires) > 0 {
		u.because("requires: stops with these units (PartOf=) and starts them (ExecStartPre=). With Requires= a failing unit fails the start",
			"before it begins, and the waiting request starts it again at once, thousands of times a second.")
		u.set("PartOf", strings.Join(app.Requires, " "))
	}
	if app.Activation == fcgisup.Fleet {
		u.because("activation: fleet. The first instance starts the others.")
		u.set("Wants", r.name("-fleet.target"))
	}
	if app.Systemd.Supervise {
		u.because("A start limit would also fail the socket until an administrator resets it. fcgisup limits restarts itself (restart:).")
	} else {
		u.because("A start limit would also fail the socket until an administrator resets it.")
	}
	u.set("StartLimitIntervalSec", "0")
	return u
}

// late are the required units that after: does not name.
func (r renderer) late() []string {
	return slices.DeleteFunc(slices.Clone(r.app.Requires), func(unit string) bool { return slices.Contains(r.app.After, unit) })
}

// required starts what requires: names, and fails the start, to be tried again after RestartSec=, when that fails.
func (r renderer) required(s *section) {
	if len(r.app.Requires) == 0 {
		return
	}
	s.because("requires: + runs it as root, because the user cannot start units.")
	s.set("ExecStartPre", "+"+execLine(append([]string{"/bin/systemctl", "start", "--"}, r.app.Requires...)))
}

// supervised is a service whose main process is fcgisup.
func (r renderer) supervised(s *section) {
	app := r.app
	s.set("Type", "notify")
	s.set("NotifyAccess", "main")
	r.account(s)
	if app.EnvironmentFile != "" {
		s.because("systemd reads this file as root. fcgisup reads environment:, so a reload applies that.")
		s.set("EnvironmentFile", literal(app.EnvironmentFile))
	}
	r.required(s)
	s.set("ExecStart", r.start())
	s.because("A signal, because systemd 252 has no Type=notify-reload.")
	s.set("ExecReload", "/bin/kill -HUP $MAINPID")
	s.because("Ready with the first worker or after the first failed attempt. The value is limits.start_timeout, limits.stop_timeout and a margin.")
	s.set("TimeoutStartSec", total(app.Limits.StartTimeout, app.Limits.StopTimeout, margin))
	s.because("Longer than limits.stop_timeout: fcgisup drains its workers and kills those that do not exit.")
	s.set("TimeoutStopSec", total(app.Limits.DrainDelay, app.Limits.StopTimeout, margin))
	s.because("fcgisup reports to the watchdog only while its main loop runs.")
	s.set("WatchdogSec", "60s")
	s.set("Restart", "always")
	r.restartPause(s)
	s.because("Exit code 0 is sleep (limits.idle_timeout); the socket starts the service again.")
	s.set("RestartPreventExitStatus", "0")
	s.because("Only fcgisup gets the stop signal, because it knows the busy workers. Processes that remain after it are killed.")
	s.set("KillMode", "mixed")
	s.because("The supervisor replaces a worker that runs out of memory; the instance continues.")
	s.set("OOMPolicy", "continue")
	s.because("For the control socket. The FastCGI socket must not be here: the user of the app can replace files in it.")
	s.set("RuntimeDirectory", "fcgisup/"+app.Name+"-%i")
	s.set("RuntimeDirectoryMode", "0755")
	s.because("The directory also keeps the record that the program answers no ping, so the next start sends none.")
	s.set("RuntimeDirectoryPreserve", "yes")
	if !r.o.Inline {
		s.because("For a copy of the last accepted configuration, used if the file is invalid at a later start.")
		s.set("StateDirectory", stateName(app.Name))
	}
}

// StatePath is where the supervisors of an app keep what must outlive a reboot.
func StatePath(app string) string { return "/var/lib/" + stateName(app) }

func stateName(app string) string { return "fcgisup/apps/" + app }

// restartPause is short only where next to nothing can fail a start before fcgisup runs: a host in disorder is not
// hammered by its instances. A user that is missing, or fcgisup itself, apply and doctor would have found.
func (r renderer) restartPause(s *section) {
	pause := "1s"
	switch {
	case len(r.app.Requires) > 0:
		s.because("requires: what ExecStartPre= cannot start is asked for once a second.")
	case r.app.EnvironmentFile != "" && !strings.HasPrefix(r.app.EnvironmentFile, "-"):
		s.because("environment_file: while it is missing, systemd cannot start fcgisup, and tries once a second. With a leading - it may be missing.")
	default:
		s.because("A killed fcgisup restarts soon, so requests wait briefly. If fcgisup cannot start, it waits a second before it exits.")
		pause = "100ms"
	}
	s.set("RestartSec", pause)
}

// plain is a service whose main process is the program itself.
func (r renderer) plain(s *section) {
	app := r.app
	s.because("systemd.supervise: false. Without a supervisor the program gets the socket as standard input, as FastCGI specifies.")
	s.set("Type", "exec")
	s.set("StandardInput", "socket")
	s.because("Otherwise standard output is the socket, too.")
	s.set("StandardOutput", "journal")
	s.set("StandardError", "journal")
	r.account(s)
	if app.Directory != "/" {
		s.set("WorkingDirectory", literal(app.Directory))
	}
	for _, key := range sortedKeys(app.Environment) {
		s.set("Environment", assignment(key, app.Environment[key]))
	}
	if app.EnvironmentFile != "" {
		s.set("EnvironmentFile", literal(app.EnvironmentFile))
	}
	r.required(s)
	s.set("ExecStart", execLine(app.Command))
	s.because("FastCGI programs commonly exit after a number of requests.")
	s.set("Restart", "always")
	s.set("RestartSec", span(app.Restart.Delay))
	s.set("KillSignal", unix.SignalName(app.StopSignal))
	s.set("TimeoutStopSec", span(app.Limits.StopTimeout))
}

// start is the supervisor's command line. One without a configuration file carries all that differs.
func (r renderer) start() string {
	app := r.app
	argv := []string{r.o.Binary, "run"}
	if !r.o.Inline && r.o.Config != fcgisup.SystemConfig {
		argv = append(argv, "--config", r.o.Config)
	}
	argv = append(argv, "--app", app.Name, "--instance", "%i")
	raw := []int{len(argv) - 1}
	if r.o.Inline {
		argv = append(argv, "--listen", app.Listen.String())
		raw = append(raw, len(argv)-1)
		if app.Workers.Max > 1 {
			argv = append(argv, "--workers", strconv.Itoa(app.Workers.Max))
		}
		argv = append(append(argv, "--"), app.Command...)
	}
	return execLine(argv, raw...)
}

func (r renderer) account(s *section) {
	if r.app.User != "" {
		s.set("User", r.app.User)
	}
	if r.app.Group != "" {
		s.set("Group", r.app.Group)
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// within reports whether a path is one of the directories or below one.
func within(path string, folders ...string) bool {
	for _, folder := range folders {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
