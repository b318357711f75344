package foreign

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// app makes an app of what is known.
func (l *launch) app() outcome {
	var argv []string
	for _, w := range l.words {
		if !w.OK() {
			l.note(l.at, "", "%s: %s is left out", w.Unknown, l.of())
			return refused
		}
		argv = append(argv, w.Text)
	}
	if len(argv) == 0 {
		l.note(l.at, "", "no program is named: %s is left out", l.of())
		return refused
	}
	argv[0] = l.within(argv[0])
	if len(l.kept) > 0 {
		argv = append(slices.Clone(l.kept), argv...)
		if path.Base(l.kept[0]) == "xvfb-run" && !slices.Contains(l.kept, "-a") && !slices.Contains(l.kept, "--auto-servernum") && l.forks*l.watched > 1 {
			l.note(l.at, "xvfb-run", "needs -a, since each worker has an X server of its own")
		}
	}
	name := l.by.name
	if name == "" {
		base, _, _ := strings.Cut(path.Base(l.words[0].Text), ".")
		name = appName(base)
	}
	d := l.draft(name, l.of(), l.at)
	if !l.binds && l.by.listens == nil {
		l.note(l.at, "", "no socket is named (-s or -p), so it is inherited from what starts this: give that instead")
		return refused
	}
	if !l.command(d, argv, "", l.at) || l.binds && !l.listen(d) || !l.binds && !l.by.listens(d) {
		return refused
	}
	l.finish(d)
	if l.by.more != nil {
		l.by.more(d)
	}
	l.keep(d)
	return imported
}

// within is a relative program in the directory that it is started in.
func (l *launch) within(program string) string {
	directory := l.directory
	if directory == (shell.Word{}) {
		directory.Text = l.by.directory
	}
	if strings.Contains(program, "/") && !path.IsAbs(program) && directory.OK() && path.IsAbs(directory.Text) {
		return path.Join(directory.Text, program)
	}
	return program
}

func (l *launch) finish(d *draft) {
	if l.user == "" {
		l.note(l.at, "-u", "is not set, so the program runs as the user who starts it, and that is taken to be root")
	}
	d.set("user", l.runsAs(), l.at)
	if l.group != "" {
		d.set("group", l.group, l.at)
	}
	switch {
	case !l.directory.OK():
		l.note(l.at, "", "%s: / is the working directory", l.directory.Unknown)
	case path.IsAbs(l.directory.Text):
		d.set("directory", l.directory.Text, l.at)
	case l.directory.Text != "":
		l.note(l.at, "", "%s is not an absolute path: / is the working directory", l.directory.Text)
	}
	l.environment(d)
	if l.children != "" {
		l.variable(d, "PHP_FCGI_CHILDREN", l.children, l.at)
		l.note(l.at, "-C", "php-cgi forks them itself: they are one worker for fcgisup; workers: would count and replace them one by one")
	}
	if n := l.forks * l.watched; n > 1 {
		d.set("workers", n, l.at)
	}
	if l.signal != "" {
		d.set("stop_signal", l.signal, l.at)
	}
	if l.binds {
		d.set("activation", "eager", l.at)
	}
	for _, v := range l.directives {
		d.only("service", v[0], v[1], l.at)
	}
	d.set("systemd.sandbox", "off", l.at)
}

// environment sets the variables of the script around, and those of the wrappers.
func (l *launch) environment(d *draft) {
	env := maps.Clone(l.env)
	if env == nil {
		env = map[string]string{}
	}
	if l.inherited != nil && !l.cleared {
		around := l.inherited()
		for _, name := range slices.Sorted(maps.Keys(around)) {
			_, again := env[name]
			switch w := around[name]; {
			case again:
			case !w.OK():
				l.note(l.at, name, "%s: left out of environment:", w.Unknown)
			case name != "PATH" || !defaultPath(w.Text):
				env[name] = w.Text
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		l.variable(d, name, env[name], l.at)
	}
}

func (l *launch) runsAs() string {
	if l.user == "" {
		return "root"
	}
	return l.user
}

// listen sets the address and who may connect.
func (l *launch) listen(d *draft) bool {
	switch {
	case l.socket != "":
		d.set("listen", path.Clean(l.socket), l.at)
		l.access(d)
	case l.port != "":
		host, ok := l.reading.address(l.host, "-a", l.at)
		if l.host == "" {
			host, ok = "0.0.0.0", true
		}
		if n, isPort := wholeNumber(l.port); !isPort || n < 1 || n > 65535 {
			l.note(l.at, "-p", "%q is not a port: %s is left out", l.port, d.of)
			return false
		}
		if !ok {
			return false
		}
		d.set("listen", host+":"+l.port, l.at)
	default:
		if l.by.listens != nil {
			return l.by.listens(d)
		}
		l.note(l.at, "", "no socket is named (-s or -p): %s is left out", d.of)
		return false
	}
	d.set("socket.backlog", l.backlog, l.at)
	return true
}

// access is who may connect: -U and -G, else the user that the program runs as, spawn-fcgi(1).
func (l *launch) access(d *draft) {
	user, group := l.owner, l.team
	if user == "" {
		user = l.runsAs()
	}
	switch {
	case group != "":
	case l.owner == "" && l.group != "":
		group = l.group
	default:
		group = l.reading.group(user, "-G", l.at)
	}
	mode, ok := octal(l.mode)
	directive := "-M"
	if l.by.binder {
		directive = "the socket's mode"
	}
	if l.mode != "" && !ok {
		l.note(l.at, "-M", "%q is not a mode", l.mode)
	}
	if !ok {
		mask := uint64(0o022)
		bits := uint64(0o660)
		if l.by.binder {
			bits = 0o777
		}
		if l.umask != "" {
			mask, _ = strconv.ParseUint(l.umask, 8, 16)
		} else {
			l.note(l.at, directive, "is not set: 0%o less the umask, which is taken to be 022, so that only %s connects", bits, user)
		}
		mode, _ = octal(strconv.FormatUint(bits&^mask, 8))
	}
	d.set("socket.user", user, l.at)
	d.set("socket.group", group, l.at)
	d.set("socket.mode", mode, l.at)
}
