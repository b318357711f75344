package foreign

import (
	"path"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// launch is a command line under way to an app: what the programs before the app's own do to it.
type launch struct {
	*reading
	at    place
	by    spawning
	words []shell.Word
	// whole are the words that it began with; wrapped is set if the first is a program that starts others.
	whole   []shell.Word
	wrapped bool
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
	forks, watched         int    // of spawn-fcgi, and of multiwatch under each of them
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
	return &launch{reading: r, at: at, words: words, by: by, whole: words, forks: 1, watched: 1, backlog: 1024, user: by.user, group: by.group, umask: by.umask, run: followShell}
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
	if l.wrapped && hidesSpawner(l.whole) {
		return true
	}
	return len(l.words) > 0 && !l.words[0].OK() && hasSocket(l.words[1:])
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
		l.wrapped = true
		l.wrong = name + " " + w.refused
		return false
	}
	l.unwrap(name, w)
	return l.script == nil
}

// unwrap takes a wrapper and its options off the words.
func (l *launch) unwrap(name string, w wrapper) {
	start := l.words
	l.wrapped = true
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
	if consumed := len(start) - len(l.words); name == "nice" && (consumed == 1 || consumed == 2 && start[1].Text == "--") {
		l.mean(name, "Nice", shell.Known("10")) // nice(1)
	}
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
		l.lineWords()
	}
	if name == "daemon" && len(l.words) == 1 && strings.ContainsAny(l.words[0].Text, " \t") {
		l.script, l.words = &l.words[0].Text, nil // Red Hat's function gives its words to a shell
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

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
