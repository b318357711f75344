package shell

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// openrcOptions are the variables that openrc-run hands to start-stop-daemon and supervise-daemon, as options.
var openrcOptions = []struct{ variable, option string }{
	{"chroot", "--chroot"},
	{"command_user", "--user"},
	{"directory", "--chdir"},
	{"umask", "--umask"},
	{"pidfile", "--pidfile"},
	{"SSD_NICELEVEL", "--nicelevel"},
	{"SSD_IONICELEVEL", "--ionice"},
	{"output_log", "--stdout"},
	{"error_log", "--stderr"},
	{"output_logger", "--stdout-logger"},
	{"error_logger", "--stderr-logger"},
}

// openrcRemarks are other variables, and what stands for them.
var openrcRemarks = map[string]string{
	"retry": "no counterpart: stop_signal: and limits: {stop_timeout}", "stopsig": "no counterpart: stop_signal: of an app",
	"capabilities": "no counterpart: systemd: {service: {AmbientCapabilities: …}} of an app", "secbits": "no counterpart: systemd: {service: {SecureBits: …}} of an app",
	"no_new_privs": "no counterpart: systemd: {service: {NoNewPrivileges: yes}} of an app", "SSD_OOM_SCORE_ADJ": "no counterpart: systemd: {service: {OOMScoreAdjust: …}} of an app",
	"required_files": "no counterpart: the script does not start without them", "required_dirs": "no counterpart: the script does not start without them",
	"rc_cgroup_settings": "no counterpart: systemd: {service: …} of an app has limits", "input_file": "no counterpart: a program's standard input is the socket",
	"respawn_delay": "no counterpart: restart: of an app", "respawn_max": "fcgisup never gives up: it waits longer each time, restart: says how long",
	"respawn_period": "no counterpart: restart: of an app", "healthcheck_timer": "no counterpart: health: asks the program", "healthcheck_delay": "no counterpart: health: asks the program",
	"extra_commands": "no counterpart: what its functions do is not taken over", "extra_started_commands": "no counterpart: what its functions do is not taken over",
}

// services starts what OpenRC and Debian's init-d-script start: a function of the script, or what its variables name.
func (r *run) services(kind string) {
	switch kind {
	case "openrc-run", "runscript":
		r.openrc()
	case "init-d-script":
		if r.funcs["do_start"] != nil {
			r.callFunction("do_start")
		} else if r.has("DAEMON") {
			r.generated("DAEMON", `start-stop-daemon --start --exec "$DAEMON" -- $DAEMON_ARGS`)
		}
	}
}

func (r *run) openrc() {
	for _, name := range slices.Sorted(maps.Keys(openrcRemarks)) {
		if v, ok := r.lookup(name); ok && v.set && (!v.word.OK() || v.word.Text != "") {
			r.remark(r.at(v.line), name, openrcRemarks[name])
		}
	}
	if body := r.funcs["depend"]; body != nil {
		r.remark(r.place(body), "depend", "is not taken over: after:, wants: and requires: of an app name units")
	}
	if r.has("rc_ulimit") {
		r.generated("rc_ulimit", "ulimit $rc_ulimit")
	}
	r.callFunction("start_pre")
	start := r.openrcStart()
	if r.funcs["start"] != nil {
		if file, err := r.parse([]byte("{ " + start + "; }")); err == nil {
			r.funcs["default_start"] = file.Stmts[0]
		}
		for _, name := range []string{"directory", "chroot", "umask", "SSD_NICELEVEL", "SSD_IONICELEVEL"} {
			if v, ok := r.lookup(name); ok && r.has(name) && !calls(r.funcs["start"], "default_start") {
				r.remark(r.at(v.line), name, "is not taken over where the script has a function start: systemd: {service: …} and directory: of an app")
			}
		}
		r.callFunction("start")
	} else if r.has("command") {
		r.generated("command", start)
	}
	r.callFunction("start_post")
}

// openrcStart is the command of openrc-run's own start.
func (r *run) openrcStart() string {
	daemon, args := "start-stop-daemon", "start_stop_daemon_args"
	supervised := false
	if v, ok := r.lookup("supervisor"); ok && v.word.Text == "supervise-daemon" {
		daemon, args, supervised = "supervise-daemon", "supervise_daemon_args", true
	}
	var b strings.Builder
	b.WriteString("eval " + daemon + " --start")
	if !supervised {
		b.WriteString(` --exec "$command"`)
	}
	for _, o := range openrcOptions {
		if r.has(o.variable) {
			b.WriteString(" " + o.option + ` "$` + o.variable + `"`)
		}
	}
	if r.has(args) {
		b.WriteString(" $" + args)
	}
	b.WriteString(" --")
	if supervised {
		b.WriteString(` "$command"`)
	}
	b.WriteString(" $command_args")
	for _, more := range []string{"command_args_foreground", "command_args_background"} {
		if r.has(more) && supervised == strings.HasSuffix(more, "foreground") {
			b.WriteString(" $" + more)
		}
	}
	return b.String()
}

// has reports whether the script sets a variable, to more than an empty text.
func (r *run) has(name string) bool {
	v, ok := r.lookup(name)
	return ok && v.set && (!v.word.OK() || v.word.Text != "")
}

// calls reports whether a function calls another one.
func calls(body *syntax.Stmt, name string) bool {
	found := false
	syntax.Walk(body, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		found = found || ok && len(call.Args) > 0 && call.Args[0].Lit() == name
		return !found
	})
	return found
}

func (r *run) callFunction(name string) {
	if body := r.funcs[name]; body != nil {
		r.simple(r.place(body), []Word{Known(name)}, nil)
	}
}

// generated follows a command that stands in no script, as of the line that sets a variable.
func (r *run) generated(variable, text string) {
	line := r.at(1)
	if v, ok := r.lookup(variable); ok && v.line > 0 {
		line = r.at(v.line)
	}
	if file, err := r.parse([]byte(text)); err == nil {
		fixed := r.fixed
		defer func() { r.fixed = fixed }()
		r.fixed = &line
		r.stmts(file.Stmts)
	}
}
