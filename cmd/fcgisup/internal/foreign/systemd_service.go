package foreign

import (
	"maps"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
	"github.com/fcgisup/fcgisup/units"
)

// service is one with its socket, under way.
type service struct {
	*reading
	unit, socket *foreignUnit
	count        int
	numbers      []int
	// instance is the name of the only one, of a template whose instances differ.
	instance string
	env      map[string]string
	envAt    map[string]place
	// hidden are environment files that are not among the files.
	hidden []string
	// fileEnv are variables of environment files, which environment_file: brings.
	fileEnv map[string]string
}

// read makes an app.
func (s *service) read() {
	r, u, socket := s.reading, s.unit, s.socket
	s.env, s.envAt, s.fileEnv = map[string]string{}, map[string]place{}, map[string]string{}
	for _, d := range u.values("Service", "Environment") {
		s.readEnvironment(d)
	}
	s.readFiles()
	of := u.ref.base()
	if s.instance != "" {
		of = u.ref.name + "@" + s.instance + ".service"
	}
	for _, key := range []string{"RootDirectory", "RootImage"} {
		if d, ok := u.last("Service", key); ok {
			r.note(d.at, key, "no counterpart, and all paths would mean others: %s is left out", of)
			return
		}
	}
	lines := u.values("Service", "ExecStart")
	if len(lines) != 1 {
		r.note(u.at, "ExecStart", "%d of them: an app has one command: %s is left out", len(lines), of)
		return
	}
	argv, ok := s.execWords(lines[0])
	if !ok || len(argv) == 0 {
		r.note(lines[0].at, "ExecStart", "%s is left out", of)
		return
	}
	name := strings.TrimSuffix(strings.TrimSuffix(u.ref.name, "-fastcgi"), "-fcgi")
	if s.instance != "" {
		name += "-" + s.instance
	}
	by := spawning{name: appName(name), of: of, more: s.fill}
	if socket != nil {
		by.of = socket.ref.base() + " and " + of
		by.listens = s.listens
	}
	if !s.account("User", &by.user, by.of) || !s.account("Group", &by.group, by.of) {
		return
	}
	if d, ok := u.last("Service", "UMask"); ok {
		by.umask, _ = octal(d.Value)
	} else {
		by.umask = "0022" // systemd.exec(5)
	}
	by.directory = "/"
	if d, ok := u.last("Service", "WorkingDirectory"); ok {
		by.directory, _ = s.specifiers(strings.TrimPrefix(d.Value, "-"))
	}
	s.launched(lines[0].at, argv, by)
}

// launched reads what the words of the service's command start.
func (s *service) launched(at place, argv []shell.Word, by spawning) {
	r := s.reading
	l := r.launch(at, argv, by)
	l.shellEnv = maps.Clone(s.env)
	maps.Copy(l.shellEnv, s.fileEnv)
	if l.read() != unrelated {
		return
	}
	if s.socket == nil {
		r.note(s.unit.at, "", "its socket is not among the files: %s is left out", by.of)
		return
	}
	var texts []string
	for _, w := range argv {
		if !w.OK() {
			r.note(at, "ExecStart", "%s: %s is left out", w.Unknown, by.of)
			return
		}
		texts = append(texts, w.Text)
	}
	s.plain(at, texts, by)
}

// account is User= or Group=.
func (s *service) account(key string, to *string, of string) bool {
	d, ok := s.unit.last("Service", key)
	if dynamic, is := s.unit.last("Service", "DynamicUser"); is && yes(dynamic.Value) && key == "User" {
		if !ok {
			s.note(dynamic.at, "DynamicUser", "makes a user at each start, and an app needs one that exists, in User=: %s is left out", of)
			return false
		}
		s.note(dynamic.at, "DynamicUser", "no counterpart: the user %s must exist", d.Value)
	}
	if !ok {
		return true
	}
	text, ok := s.specifiers(d.Value)
	if !ok {
		s.note(d.at, key, "%s is not known here: %s is left out", d.Value, of)
	}
	*to = text
	return ok
}

// plain is a service whose program gets the socket itself.
func (s *service) plain(at place, argv []string, by spawning) {
	d := s.draft(by.name, by.of, at)
	if !s.command(d, argv, "ExecStart", at) || !s.listens(d) {
		return
	}
	if in, ok := s.unit.last("Service", "StandardInput"); !ok || in.Value != "socket" {
		s.note(at, "StandardInput", "is not socket, so the program takes its socket from LISTEN_FDS; from now on it is its standard input, as FastCGI has it: see that it takes that")
	}
	user := by.user
	if user == "" {
		user = "root"
		s.note(at, "User", "is not set: the program runs as root")
	}
	d.set("user", user, at)
	if by.group != "" {
		d.set("group", by.group, at)
	}
	d.set("systemd.sandbox", "off", at)
	s.fill(d)
	s.keep(d)
}

// instances counts a template's, by the files that were given of it.
func (s *service) instances() {
	switch {
	case s.opt.Instances > 0:
		s.count, s.scaled = s.opt.Instances, true
		s.numbers = nil
	case len(s.numbers) > 0:
		s.count = len(s.numbers)
		if s.numbers[0] != 1 || s.numbers[len(s.numbers)-1] != s.count {
			s.note(s.unit.at, "", "instances %v; fcgisup's are 1 to %d", s.numbers, s.count)
		}
	default:
		s.note(s.unit.at, "", "a template does not say how many instances there are: one is assumed; --instances says how many, "+
			"or give the links of the enabled ones, sockets.target.wants/*@*.socket")
	}
}

func (s *service) readEnvironment(d located) {
	words, err := fcgisup.SplitCommand(d.Value)
	if err != nil {
		s.note(d.at, d.Key, "%v", err)
		return
	}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			s.note(d.at, d.Key, "%q is not an assignment", word)
			continue
		}
		if text, ok := s.specifiers(value); ok {
			s.env[name], s.envAt[name] = text, d.at
		} else {
			s.note(d.at, d.Key, "%s differs between instances, or is known to systemd only: left out", word)
		}
	}
}

// fill takes all that is neither command, nor user, nor address.
func (s *service) fill(d *draft) {
	if s.count > 1 {
		d.set("instances", s.count, s.unit.at)
	}
	if _, ok := s.unit.last("Service", "TimeoutStopSec"); !ok {
		d.set("limits.stop_timeout", "90s", s.unit.at) // DefaultTimeoutStopSec=
	}
	done := map[string]bool{}
	for _, l := range s.unit.directives {
		key := l.Section + "." + l.Key
		if done[key] {
			continue
		}
		done[key] = true
		switch l.Section {
		case "Unit":
			s.unitDirective(d, l)
		case "Service":
			s.serviceDirective(d, l.Key)
		case "Install":
			s.installDirective(l)
		default:
			s.note(l.at, l.Key, "stands in [%s], which no service has: skipped", l.Section)
		}
	}
	if s.socket != nil {
		s.socketDirectives(d)
	}
}

func (s *service) unitDirective(d *draft, l located) {
	switch l.Key {
	case "Description":
		if last, ok := s.unit.last("Unit", "Description"); ok {
			d.set("description", s.described(last), last.at)
		}
	case "After", "Wants", "Requires", "BindsTo", "Requisite":
		s.dependencies(d, l.Key)
	case "PartOf", "DefaultDependencies":
		if !s.isOwn(l.Value) {
			s.note(l.at, l.Key, "no counterpart: a drop-in of %s can hold it", units.Names(d.name).ServiceTemplate())
		}
	case "StartLimitIntervalSec", "StartLimitBurst", "StartLimitInterval", "StartLimitAction":
		s.note(l.at, l.Key, "there is no limit from now on: it would fail the socket, too; a worker that fails is started later each time (restart:)")
	default:
		s.note(l.at, l.Key, "no counterpart: a drop-in of %s can hold it", units.Names(d.name).ServiceTemplate())
	}
}

// described is a description with its specifiers expanded; what differs between instances, or is not known, is dropped.
func (s *service) described(l located) string {
	var b strings.Builder
	for i := 0; i < len(l.Value); i++ {
		if l.Value[i] != '%' || i+1 == len(l.Value) {
			b.WriteByte(l.Value[i])
			continue
		}
		i++
		text, ok := s.specifier(l.Value[i])
		if !ok || l.Value[i] == 'i' && s.instance == "" || l.Value[i] == 'I' && s.instance == "" {
			if l.Value[i] != 'i' && l.Value[i] != 'I' {
				s.note(l.at, l.Key, "%%%c is known to systemd only: left out", l.Value[i])
			}
			continue
		}
		b.WriteString(text)
	}
	return strings.TrimRight(b.String(), " ,;:-#(")
}

// dependencies takes units that are neither the app's own nor what every service waits for.
func (s *service) dependencies(d *draft, key string) {
	to := map[string]string{"After": "after", "Wants": "wants", "Requires": "requires", "BindsTo": "requires", "Requisite": "requires"}[key]
	var names []string
	for _, l := range s.unit.values("Unit", key) {
		for name := range strings.FieldsSeq(s.passed(l.Value)) {
			switch {
			case s.isOwn(name), key == "After" && (name == "network.target" || name == "remote-fs.target"):
			case strings.Contains(name, "%"):
				s.note(l.at, key, "%s differs between instances: no counterpart", name)
			default:
				names = append(names, name)
			}
		}
		if len(names) > 0 && (key == "BindsTo" || key == "Requisite") {
			s.note(l.at, key, "becomes requires:")
		}
		if len(names) > 0 {
			d.set(to, names, l.at)
		}
	}
}

// isOwn tells the app's own units, which the generated ones know of themselves.
func (s *service) isOwn(name string) bool {
	own := []string{s.unit.ref.name}
	if s.socket != nil {
		own = append(own, s.socket.ref.name)
	}
	before, _, _ := strings.Cut(name, "@")
	before = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(before, ".socket"), ".service"), ".target")
	return slices.Contains(own, before) || before == "%p"
}

func (s *service) installDirective(l located) {
	switch l.Key {
	case "WantedBy", "RequiredBy":
		if s.socket != nil {
			s.note(l.at, l.Key, "if the service itself is enabled, not only its socket, it starts at boot: activation: eager does that")
		}
	case "DefaultInstance":
		if s.instance != "" {
			return
		}
		s.note(l.at, l.Key, "no counterpart")
	case "Also":
		if s.isOwn(l.Value) {
			return
		}
		s.note(l.at, l.Key, "no counterpart")
	default:
		s.note(l.at, l.Key, "no counterpart")
	}
}
