package foreign

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/units"
)

// supervisordINI is Python's ConfigParser as supervisord sets it up: "=" or ":",
// comments of ";" or "#" also behind a blank in a line, keys of any case.
var supervisordINI = dialect{
	split: func(line string) (string, string, bool) {
		i := strings.IndexAny(line, "=:")
		if i < 0 {
			return "", "", false
		}
		return strings.ToLower(strings.TrimSpace(line[:i])), line[i+1:], true
	},
	comment:   ";#",
	continues: true,
	clean: func(value string) string {
		for i := 1; i < len(value); i++ {
			if (value[i] == ';' || value[i] == '#') && (value[i-1] == ' ' || value[i-1] == '\t') {
				value = value[:i]
			}
		}
		return strings.TrimSpace(value)
	},
}

// supervisord reads supervisord's files; [supervisord] of one counts for all of them.
func (r *reading) supervisord(files []Source) {
	read := r.readAll(files, supervisordINI)
	var global []entry
	for _, f := range read {
		global = append(global, f.own["supervisord"]...)
	}
	for _, f := range read {
		for _, name := range f.found.names {
			kind, program, _ := strings.Cut(name, ":")
			own, at := f.own[name], f.found.places[name]
			switch kind {
			case "fcgi-program":
				r.fcgiProgram(strings.TrimSpace(program), own, global, at)
			case "supervisord":
				r.supervisordGlobal(own)
			case "include":
				r.included(own, files)
			case "program":
				r.plainProgram(name, strings.TrimSpace(program), own, global, at)
			case "supervisorctl", "unix_http_server", "inet_http_server", "rpcinterface":
				r.note(at, "["+name+"]", "fcgisup status, top and restart speak to fcgisup itself")
			case "group":
				r.note(at, "["+name+"]", "no counterpart: every app is a group, %s", units.Names("APP").Target())
			case "eventlistener":
				r.note(at, "["+name+"]", "no counterpart: alerts: of the configuration, or the metrics, tell of changes")
			case "":
				r.note(at, "["+name+"]", "settings without a section: skipped")
			default:
				r.note(at, "["+name+"]", "not a section of supervisord's: skipped")
			}
		}
	}
}

// plainProgram is one that gets no socket from supervisord; under spawn-fcgi it has its own.
func (r *reading) plainProgram(section, name string, own, global []entry, at place) {
	c, ok := find(own, "command")
	if !ok || !startsFastCGI().MatchString(c.value) {
		r.note(at, "["+section+"]", "not FastCGI, or not by supervisord's socket: skipped")
		return
	}
	p := r.readProgram(section, name, own, global, at)
	if !p.ok || p.argv == nil {
		r.note(c.at, "command", "%s is left out", p.draft.of)
		return
	}
	if p.count > 1 {
		r.note(at, "numprocs", "one of them had the socket: -F or multiwatch make several workers")
	}
	if !p.draft.has("limits.stop_timeout") {
		p.draft.set("limits.stop_timeout", "10s", at)
	}
	by := spawning{name: appName(name), of: p.draft.of, user: p.user.value, umask: p.umask, more: p.draft.into}
	by.directory, _ = p.draft.values["directory"].(string)
	if r.spawned(c.at, known(p.argv), by) == unrelated {
		r.note(c.at, "command", "starts no spawn-fcgi with its socket: skipped")
	}
}

// supervisordGlobal notes what of [supervisord] does not reach the programs; fcgiProgram takes the rest.
func (r *reading) supervisordGlobal(own []entry) {
	for _, e := range own {
		switch e.key {
		case "environment", "umask", "user", "directory": // inherited, see inherit
		case "minfds":
			r.note(e.at, e.key, "no counterpart; systemd: {service: {LimitNOFILE: %s}} of an app is like it", e.value)
		default:
			r.note(e.at, e.key, "is about supervisord itself")
		}
	}
}

// included notes the files of [include] that have not been given.
func (r *reading) included(own []entry, files []Source) {
	for _, e := range own {
		for _, pattern := range strings.Fields(e.value) {
			if !given(pattern, files) {
				r.note(e.at, "include", "%s is not read; give its files as arguments too", pattern)
			}
		}
	}
}

// given reports whether one of the files matches a pattern, as far as both have directories.
func given(pattern string, files []Source) bool {
	return slices.ContainsFunc(files, func(f Source) bool {
		whole, err := path.Match(pattern, f.Name)
		if err == nil && whole {
			return true
		}
		last, err := path.Match(path.Base(pattern), path.Base(f.Name))
		dir := path.Base(path.Dir(pattern))
		return err == nil && last && (dir == "." || dir == path.Base(path.Dir(f.Name)))
	})
}

// program is one [fcgi-program:x] under way.
type program struct {
	*reading
	draft  *draft
	name   string
	names  map[string]string // of expansions
	own    []entry
	argv   []string
	count  int
	user   entry
	umask  string
	socket socketSettings
	ok     bool
}

type socketSettings struct{ address, owner, mode entry }

// readProgram takes the settings of a section and what it inherits.
func (r *reading) readProgram(section, name string, own, global []entry, at place) *program {
	p := &program{reading: r, name: name, own: own, count: 1, ok: true}
	p.draft = r.draft(appName(name), "["+section+"] of "+at.file, at)
	p.names = map[string]string{
		"program_name": name, "group_name": name, "host_node_name": r.opt.Hostname,
		"here": path.Dir(r.path(at.file)), "process_num": "0", "numprocs": "1",
	}
	for _, e := range global { // all others may name these
		if e.key == "environment" {
			p.environment(e)
		}
	}
	for _, key := range []string{"numprocs", "numprocs_start"} { // the others may name them
		if e, ok := find(own, key); ok {
			p.numbers(e)
		}
	}
	p.inherit(global)
	// A command may name the program's own variables.
	if e, ok := find(own, "environment"); ok {
		p.environment(e)
	}
	for _, e := range own {
		p.take(e)
	}
	return p
}

func (r *reading) fcgiProgram(name string, own, global []entry, at place) {
	p := r.readProgram("fcgi-program:"+name, name, own, global, at)
	if p.user.value == "" {
		p.user = entry{value: "root", at: at}
		r.note(at, "user", "is not set, so the program runs as supervisord does, and that is taken to be root")
	}
	p.draft.set("user", p.user.value, p.user.at)
	p.finish(at)
}

// inherit takes what [supervisord] hands to its children.
func (p *program) inherit(global []entry) {
	for _, e := range global {
		switch e.key {
		case "umask", "directory":
			p.take(e)
		case "user":
			p.essential(e, func(v string) { p.user = entry{value: v, at: e.at} })
		}
	}
}

// finish sets what takes several settings, and keeps the app if nothing essential is missing.
func (p *program) finish(at place) {
	command, ok := find(p.own, "command")
	if !ok {
		p.note(at, "command", "is missing: %s is left out", p.draft.of)
		return
	}
	if !p.ok || p.argv == nil {
		p.note(at, "", "%s is left out", p.draft.of)
		return
	}
	if !p.listen(at) || !p.command(p.draft, p.argv, "command", command.at) {
		return
	}
	if p.count > 1 {
		p.draft.set("workers", p.count, at)
	}
	if !p.draft.has("activation") {
		p.draft.set("activation", "eager", at)
	}
	if !p.draft.has("limits.stop_timeout") {
		p.draft.set("limits.stop_timeout", "10s", at) // stopwaitsecs by default
	}
	p.draft.set("systemd.sandbox", "off", at)
	p.keep(p.draft)
}

func (p *program) take(e entry) {
	switch e.key {
	case "command":
		p.argv = p.commandLine(e)
	case "socket":
		p.socket.address = e
	case "socket_owner":
		p.socket.owner = e
	case "socket_mode":
		p.socket.mode = e
	case "socket_backlog":
		p.whole("socket.backlog", e)
	case "user":
		p.essential(e, func(v string) { p.user = entry{value: v, at: e.at} })
	case "directory":
		if v, ok := p.expand(e); ok {
			p.draft.set("directory", v, e.at)
		}
	case "umask":
		if mode, ok := octal(e.value); ok {
			p.umask = mode
			p.draft.only("service", "UMask", mode, e.at)
		} else {
			p.note(e.at, e.key, "%q is not a mode", e.value)
		}
	case "autostart":
		if !yes(e.value) {
			p.draft.set("activation", "lazy", e.at)
			p.note(e.at, e.key, "a person started it; from now on its first request does")
		}
	case "stopsignal":
		if name, ok := signalName(e.value); ok {
			p.draft.set("stop_signal", name, e.at)
		} else {
			p.note(e.at, e.key, "%q is not a signal", e.value)
		}
	case "stopwaitsecs":
		if n, ok := wholeNumber(e.value); ok && n > 0 {
			p.draft.set("limits.stop_timeout", strconv.Itoa(n)+"s", e.at)
		} else {
			p.note(e.at, e.key, "%q is not taken: a worker gets some time to end", e.value)
		}
	case "numprocs", "numprocs_start", "environment": // done before the others
	default:
		p.remark(e)
	}
}

// programRemarks are settings of a program that have no key.
var programRemarks = []remark{
	{"process_name", "%(program_name)s", "no counterpart: an instance is called APP@N, its workers go by their pids"},
	{"priority", "", "no counterpart: after: and requires: name units to wait for"},
	{"autorestart", affirmative, "a worker that ends is always replaced, whatever its exit code"},
	{"exitcodes", "", "a worker that ends is always replaced, whatever its exit code"},
	{"startsecs", "", "a worker is up when it accepts or answers, not after a time; limits.start_timeout is the most it may take"},
	{"startretries", "", "fcgisup never gives up: it waits longer each time, restart: says how long"},
	{"stopasgroup killasgroup", affirmative, "signals always go to the worker's whole process group"},
	{"redirect_stderr", "", ""},
	{"serverurl", "", "there is no supervisord to reach"},
}

// remark tells of a setting that has no key.
func (p *program) remark(e entry) {
	if strings.HasPrefix(e.key, "stdout_") || strings.HasPrefix(e.key, "stderr_") {
		p.note(e.at, e.key, "what workers print is in the journal: journalctl -u '%s'", units.Names(p.draft.name).Any())
		return
	}
	p.remarkOn(programRemarks, e, "not a setting of [fcgi-program:x]: skipped")
}

// essential takes a setting without which there is no app.
func (p *program) essential(e entry, take func(string)) {
	v, ok := p.expand(e)
	if !ok {
		p.ok = false
		return
	}
	take(v)
}

func (p *program) numbers(e entry) {
	p.essential(e, func(v string) {
		n, ok := wholeNumber(v)
		switch {
		case !ok:
			p.note(e.at, e.key, "%q is not a number: %s is left out", v, p.draft.of)
			p.ok = false
		case e.key == "numprocs":
			p.count = max(n, 1)
			p.names["numprocs"] = strconv.Itoa(n)
		default:
			p.names["process_num"] = strconv.Itoa(n)
		}
	})
}

func (p *program) whole(key string, e entry) {
	v, ok := p.expand(e)
	if !ok {
		return
	}
	if n, ok := wholeNumber(v); ok {
		p.draft.set(key, n, e.at)
		return
	}
	p.note(e.at, e.key, "%q is not a number", v)
}

func (p *program) commandLine(e entry) []string {
	line, ok := p.expand(e)
	if !ok {
		p.ok = false
		return nil
	}
	argv, err := shellWords(line)
	if err != nil {
		p.note(e.at, e.key, "%v", err)
		return nil
	}
	return argv
}
