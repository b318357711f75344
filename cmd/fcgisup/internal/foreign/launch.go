package foreign

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// launch is a command line under way to an app: what the programs before the app's own do to it.
type launch struct {
	*reading
	at    place
	by    spawning
	words []shell.Word
	// run follows the script of a shell's -c.
	run func(l *launch, text string, args []shell.Word) bool

	kept       []string
	env        map[string]string
	directives [][2]string
	directory  shell.Word
	umask      string
	cpuList    bool
	policy     string

	// Of spawn-fcgi and multiwatch.
	spawner                bool // one was seen
	binds                  bool // it makes the socket
	socket, port, host     string
	mode, owner, team      string
	backlog                int
	user, group            string
	children, signal, line string
	forks                  int
	program                string // of start-stop-daemon
	startas                string
	script                 *string
	named                  string // the variable of execline's export
	// inherited are the variables of the script around it; cleared drops them.
	inherited func() map[string]shell.Word
	cleared   bool
	// shellEnv are variables that a shell's -c finds.
	shellEnv map[string]string

	notes []Note // kept back until it is known that this starts a FastCGI program
	// wrong is why there is no app of it.
	wrong string
	stops bool // starts nothing
}

// spawning is what surrounds a command line: defaults that the unit or the script around it sets.
type spawning struct {
	// name and of are the app's; empty: made of the program.
	name, of string
	// user and group run the spawner itself.
	user, group string
	// umask is that of the spawner; empty: not known.
	umask string
	// directory is the spawner's; the app has one if an option says so.
	directory string
	// binder: the program makes its socket itself.
	binder bool
	// listens is set if something else makes the socket: multiwatch under a unit.
	listens func(*draft) bool
	// more sets what else is known.
	more func(*draft)
}

// isSpawner reports whether a program starts FastCGI programs, and does nothing else.
func isSpawner(program string) bool {
	base := path.Base(program)
	return base == "spawn-fcgi" || base == "multiwatch"
}

// known are words whose text is known.
func known(argv []string) []shell.Word {
	words := make([]shell.Word, len(argv))
	for i, text := range argv {
		words[i] = shell.Known(text)
	}
	return words
}

// outcome is what became of a command line.
type outcome int

const (
	unrelated outcome = iota // starts no FastCGI program that we know
	refused
	imported
)

// spawned reads a command line that leads to spawn-fcgi or multiwatch.
func (r *reading) spawned(at place, words []shell.Word, by spawning) outcome {
	return r.launch(at, words, by).read()
}

func (r *reading) launch(at place, words []shell.Word, by spawning) *launch {
	return &launch{reading: r, at: at, words: words, by: by, forks: 1, backlog: 1024, user: by.user, group: by.group, umask: by.umask, run: followShell}
}

func (l *launch) read() outcome {
	for l.wrong == "" && !l.stops && len(l.words) > 0 && l.step() {
	}
	switch {
	case l.stops:
		return unrelated
	case l.script != nil:
		return l.shell()
	case l.wrong != "":
		if !l.spawner && !l.leadsToSpawner() {
			return unrelated
		}
		l.flush()
		l.note(l.at, "", "%s: %s is left out", l.wrong, l.of())
		return refused
	case !l.spawner:
		return unrelated
	}
	l.flush()
	return l.app()
}

func (l *launch) flush() {
	for _, n := range l.notes {
		l.reading.keepNote(n)
	}
	l.notes = nil
}

func (l *launch) of() string {
	if l.by.of != "" {
		return l.by.of
	}
	return "spawn-fcgi of " + l.at.file
}

func (l *launch) later(directive, text string) {
	l.notes = append(l.notes, Note{l.at.file, l.at.line, directive, text})
}

// leadsToSpawner reports whether a spawner with its socket stands among the words that are left.
func (l *launch) leadsToSpawner() bool {
	for i, w := range l.words {
		switch base := path.Base(w.Text); {
		case base == "multiwatch" && l.by.listens != nil:
			return true
		case base == "spawn-fcgi" && hasSocket(l.words[i+1:]):
			return true
		}
	}
	return l.program != "" && isSpawner(l.program) || len(l.words) > 0 && !l.words[0].OK() && hasSocket(l.words[1:])
}

func hasSocket(words []shell.Word) bool {
	for _, w := range words {
		if w.Text == "--" {
			return false
		}
		if strings.HasPrefix(w.Text, "-s") || strings.HasPrefix(w.Text, "-p") || w.Splits {
			return true
		}
	}
	return false
}

// step takes the program that the words begin with off; false: that is the app's own.
func (l *launch) step() bool {
	first := l.words[0]
	if !first.OK() {
		l.wrong = first.Unknown
		return false
	}
	name := path.Base(first.Text)
	w, isWrapper := wrappers[name]
	switch {
	case l.spawner && !isSpawner(name) && !slices.ContainsFunc(l.words[1:], func(w shell.Word) bool { return isSpawner(w.Text) }):
		return false
	case shells[name]:
		return l.shellWords()
	case !isWrapper && l.binder(name):
		return false
	case !isWrapper:
		if l.spawner || l.leadsToSpawner() {
			l.wrong = name + " stands before spawn-fcgi or multiwatch, and import does not know what it does"
		}
		return false
	case w.refused != "":
		l.wrong = name + " " + w.refused
		return false
	}
	start := l.words
	l.words = l.words[1:]
	if isSpawner(name) {
		l.spawner = true
		if name == "spawn-fcgi" {
			l.binds = true
		} else if l.signal == "" {
			l.signal = "SIGUSR1"
		}
	}
	if name == "taskset" || name == "chrt" {
		l.policy, l.cpuList = "rr", false
	}
	l.take(name, w)
	if w.remark != "" {
		l.later(name, w.remark)
	}
	if w.kept && l.wrong == "" {
		for _, word := range start[:len(start)-len(l.words)] {
			if l.kept = append(l.kept, word.Text); !word.OK() {
				l.wrong = word.Unknown
			}
		}
	}
	if l.program != "" || l.startas != "" {
		l.words = append(known([]string{firstOf(l.startas, l.program)}), l.words...)
		l.program, l.startas = "", ""
	}
	if l.line != "" && len(l.words) == 0 {
		if words, err := shellWords(l.line); err != nil {
			l.wrong = "-f " + err.Error()
		} else {
			l.words = known(words)
		}
	}
	return l.script == nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// take reads a wrapper's options and operands.
func (l *launch) take(name string, w wrapper) {
	operands := strings.Fields(w.operands)
	if name == "runuser" && slices.ContainsFunc(l.words, func(w shell.Word) bool { return w.Text == "-u" || strings.HasPrefix(w.Text, "--user") }) {
		w.permutes, operands = false, nil // runuser -u USER COMMAND
	}
	for len(l.words) > 0 && l.wrong == "" {
		word := l.words[0]
		switch {
		case !word.OK():
			if len(operands) == 0 || word.Splits {
				l.wrong = word.Unknown
				return
			}
		case word.Text == "--":
			l.words = l.words[1:]
			if !w.permutes {
				l.rest(name, w, operands)
				return
			}
			continue
		case len(word.Text) > 1 && word.Text[0] == '-' || word.Text == "-" && strings.Contains(w.options, "-:"):
			l.words = l.words[1:]
			l.option(name, w, word.Text)
			continue
		case name == "daemon" && strings.HasPrefix(word.Text, "+"):
			l.words = l.words[1:] // Red Hat's nice level
			l.mean(name, "Nice", word)
			continue
		}
		if !w.permutes || len(operands) == 0 {
			break
		}
		l.words = l.words[1:]
		l.mean(name, operands[0], word)
		operands = operands[1:]
	}
	if !w.permutes && l.wrong == "" {
		l.rest(name, w, operands)
	}
}

// rest are the words between the options and the program.
func (l *launch) rest(name string, w wrapper, operands []string) {
	for _, meaning := range operands {
		if len(l.words) == 0 {
			return
		}
		l.mean(name, meaning, l.words[0])
		l.words = l.words[1:]
	}
	for w.assigns && len(l.words) > 0 {
		variable, _, ok := strings.Cut(l.words[0].Text, "=")
		if l.words[0].Text == "--" {
			l.words = l.words[1:]
			return
		}
		if !ok || !variableName(variable) {
			return
		}
		l.mean(name, "env", l.words[0])
		l.words = l.words[1:]
	}
}

// option takes one word of options; what they need comes from the words behind it.
func (l *launch) option(name string, w wrapper, text string) {
	if strings.HasPrefix(text, "--") {
		key, value, given := strings.Cut(text, "=")
		o, ok := w.option(key)
		switch {
		case !ok:
			l.unknownOption(name, key)
		case o.value && !given:
			l.optionValue(name, o, "")
		case o.value:
			l.mean(name, o.meaning, shell.Known(value))
		case o.meaning != "":
			l.mean(name, o.meaning, shell.Word{})
		}
		return
	}
	if o, ok := w.option(text); ok && !o.value && text == "-" {
		l.mean(name, o.meaning, shell.Word{})
		return
	}
	if n, err := strconv.Atoi(text); err == nil && name == "nice" {
		l.mean(name, "Nice", shell.Known(strconv.Itoa(-n))) // nice -10 is nice -n 10
		return
	}
	for i := 1; i < len(text); i++ {
		o, ok := w.option("-" + text[i:i+1])
		switch {
		case !ok:
			l.unknownOption(name, "-"+text[i:i+1])
			return
		case o.value:
			l.optionValue(name, o, text[i+1:])
			return
		case o.meaning != "":
			l.mean(name, o.meaning, shell.Word{})
		}
	}
}

func (l *launch) unknownOption(name, option string) {
	l.wrong = option + " is not an option of " + name + " that import knows"
}

func (l *launch) optionValue(name string, o option, attached string) {
	if attached != "" {
		l.mean(name, o.meaning, shell.Known(attached))
		return
	}
	if len(l.words) == 0 {
		l.wrong = o.name + " of " + name + " lacks its value"
		return
	}
	l.mean(name, o.meaning, l.words[0])
	l.words = l.words[1:]
}

// optional are meanings that an app works without: an unknown value is remarked on.
var optional = map[string]bool{
	"keep": true, "skip": true, "pidfile": true, "note": true, "output": true, "retry": true, "envdir": true, "envuser": true, "backlog": true,
	"dir": true, "Nice": true, "umask": true, "iosched": true, "procsched": true, "signal": true, "env": true, "shell": true,
}

// mean applies one option or operand.
func (l *launch) mean(name, meaning string, w shell.Word) {
	if !w.OK() {
		switch {
		case meaning == "dir":
			l.directory = w
		case optional[meaning] || strings.HasPrefix(meaning, "limit:"):
			l.later(name, w.Unknown+": left out")
		default:
			l.wrong = w.Unknown
		}
		return
	}
	v := w.Text
	switch meaning {
	case "keep", "skip", "shell":
	case "socket":
		l.socket = v
	case "port":
		l.port = v
	case "host":
		l.host = v
	case "mode":
		l.mode = v
	case "socket-user":
		l.owner = v
	case "socket-group":
		l.team = v
	case "backlog":
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			l.later("-b", quoted(v)+" is not a number: left out")
			return
		}
		l.backlog = n
	case "user":
		l.user = v
	case "account": // user[:group[:more]] of chpst; a user's own group otherwise
		user, groups, _ := strings.Cut(v, ":")
		l.user, l.group = user, ""
		l.group, groups, _ = strings.Cut(groups, ":")
		if groups != "" {
			l.later(name, "the groups "+groups+" besides have no counterpart: systemd: {service: {SupplementaryGroups: …}} of an app")
		}
	case "user-or-owner":
		if v != "root" && l.user == "" { // Debian's -u only matches a process, OpenRC's becomes the user
			l.user, l.group, _ = strings.Cut(v, ":")
		}
	case "owner":
		l.user, l.group, _ = strings.Cut(strings.Replace(v, ".", ":", 1), ":")
	case "group":
		l.group = v
	case "line":
		l.line = v
	case "program":
		l.program = v
	case "startas":
		l.startas = v
	case "stops":
		l.stops = true
	case "script":
		l.script = &v
	default:
		l.meanMore(name, meaning, v)
	}
}

// meanMore applies what is no program, socket or user.
func (l *launch) meanMore(name, meaning, v string) {
	switch meaning {
	case "children", "forks":
		n, err := strconv.Atoi(v)
		switch {
		case err != nil || n < 0 || n == 0 && meaning == "forks":
			l.wrong = quoted(v) + " is not a number of processes"
		case meaning == "forks":
			l.forks = n
		default:
			l.children = v
		}
	case "signal":
		if signal, ok := signalName(v); ok {
			l.signal = signal
		} else {
			l.later("--signal", quoted(v)+" is not a signal: left out")
		}
	case "pidfile":
		l.later("-P", "no counterpart: fcgisup status has the pids")
	case "retry":
		l.later(name, "fcgisup never gives up: it waits longer each time, restart: says how long")
	case "output":
		l.later(name, "what workers print is in the journal, not in "+v)
	case "note":
		l.later(name, quoted(v)+" has no counterpart: left out")
	case "envdir":
		l.later(name, "the variables in "+v+" are not read: put them into environment: or environment_file:")
	case "envuser":
		l.later(name, "the variables UID and GID of "+v+" have no counterpart: left out")
	case "home", "login":
		l.later(name, "the login environment of the user has no counterpart: systemd sets HOME, USER, LOGNAME and SHELL")
	case "nogroups":
		l.later(name, "--clear-groups has no counterpart: a worker gets the groups of its user")
	case "refuse":
		l.wrong = name + " has no counterpart, and all paths would mean others"
	case "clear":
		l.env, l.cleared = nil, true
		l.later(name, "an empty environment has no counterpart: systemd's holds little")
	case "unset":
		delete(l.env, v)
		l.later(name, "-u "+v+" has no counterpart: systemd's environment holds little")
	case "dir":
		l.directory = shell.Known(v)
	case "umask":
		l.setUmask(v)
	case "env":
		variable, value, _ := strings.Cut(v, "=")
		l.variableOf(variable, value)
	case "variable":
		l.named = v
	case "value":
		l.variableOf(l.named, v)
	case "cpus":
		l.cpuList = true
	default:
		l.schedule(name, meaning, v)
	}
}

func (l *launch) setUmask(v string) {
	if mode, ok := octal(v); ok {
		l.umask = mode
		l.taken("umask", "UMask", mode)
	} else {
		l.later("umask", quoted(v)+" is not an octal number: left out")
	}
}

// directive sets one of systemd's; a later one counts.
func (l *launch) directive(key, value string) {
	l.directives = slices.DeleteFunc(l.directives, func(d [2]string) bool { return d[0] == key })
	l.directives = append(l.directives, [2]string{key, value})
}

func (l *launch) variableOf(name, value string) {
	if l.env == nil {
		l.env = map[string]string{}
	}
	if name != "PATH" || !defaultPath(value) {
		l.env[name] = value
	}
}

// defaultPath reports whether systemd's own PATH has all these directories.
func defaultPath(value string) bool {
	for dir := range strings.SplitSeq(value, ":") {
		switch dir {
		case "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin":
		default:
			return false
		}
	}
	return true
}

// quoted is a text between quotes, so that an empty one is seen.
func quoted(s string) string { return strconv.Quote(s) }

// shellWords takes sh -c SCRIPT.
func (l *launch) shellWords() bool {
	for i, w := range l.words[1:] {
		if !w.OK() {
			l.wrong = w.Unknown
			return false
		}
		if strings.HasPrefix(w.Text, "-") && strings.HasSuffix(w.Text, "c") && w.Text != "-" && !strings.HasPrefix(w.Text, "--") {
			if i+2 < len(l.words) {
				if script := l.words[i+2]; script.OK() {
					l.script, l.words = &script.Text, l.words[i+3:]
				} else {
					l.wrong = script.Unknown
				}
			}
			return false
		}
		if !strings.HasPrefix(w.Text, "-") {
			return false // a script in a file
		}
	}
	return false
}

// shell follows the text of -c.
func (l *launch) shell() outcome {
	before := len(l.drafts)
	args := l.words
	if len(args) > 0 {
		args = args[1:] // $0
	}
	text := *l.script
	l.script = nil
	refusedOne := l.run(l, text, args)
	switch {
	case len(l.drafts) > before:
		return imported
	case refusedOne:
		return refused
	}
	return unrelated
}

// binders are programs that make their socket themselves: the option with its address, and what it takes off it.
var binders = map[string]struct{ option, with string }{
	"fcgiwrap": {"-s", "cp"},
	"php-cgi":  {"-b", "bcdz"},
}

// binder takes a program with an option for its socket.
func (l *launch) binder(name string) bool {
	b, ok := binders[strings.TrimRight(name, "0123456789.")]
	if !ok || l.spawner {
		return false
	}
	var rest []shell.Word
	for i := 0; i < len(l.words); i++ {
		value, is := strings.CutPrefix(l.words[i].Text, b.option)
		if i == 0 || !is || !l.words[i].OK() {
			rest = append(rest, l.words[i])
			continue
		}
		w := shell.Known(value)
		if value == "" && i+1 < len(l.words) {
			i++
			w = l.words[i]
		}
		l.spawner, l.binds = true, true
		if !w.OK() {
			l.wrong = w.Unknown
			return true
		}
		l.address(w.Text)
		l.by.binder = true
	}
	if l.spawner {
		l.words = rest
	}
	return l.spawner
}

// address reads unix:PATH, tcp:HOST:PORT, a path, HOST:PORT or :PORT.
func (l *launch) address(text string) {
	text, unix := strings.CutPrefix(text, "unix:")
	if unix || strings.HasPrefix(text, "/") {
		l.socket = text
		return
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "tcp6:"), "tcp:")
	i := strings.LastIndexByte(text, ':')
	l.host, l.port = text[:max(i, 0)], text[i+1:]
}

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
		if path.Base(l.kept[0]) == "xvfb-run" && !slices.Contains(l.kept, "-a") && !slices.Contains(l.kept, "--auto-servernum") && l.forks > 1 {
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
	if l.forks > 1 {
		d.set("workers", l.forks, l.at)
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
			value, again := env[name]
			switch w := around[name]; {
			case again:
			case !w.OK():
				l.note(l.at, name, "%s: left out of environment:", w.Unknown)
			case name != "PATH" || !defaultPath(w.Text):
				value = w.Text
				env[name] = value
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
