package foreign

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// Source is a file that was read.
type Source struct {
	// Name stands for the file in notes.
	Name string
	// Path is where it is, absolute; empty: Name is.
	Path string
	Data []byte
}

// Options are the little that a configuration leaves to the machine it is on.
// A nil function knows nothing.
type Options struct {
	// Getenv is the environment that $X and ${X} of PHP-FPM mean.
	Getenv func(string) (string, bool)
	// Look finds a program that is named without a path.
	Look func(string) (string, error)
	// PrimaryGroup is a user's group.
	PrimaryGroup func(user string) (string, bool)
	// Hostname is what %(host_node_name)s and %H mean.
	Hostname string
	// Name is the app's, if there is one only; empty: made of the files' own names.
	Name string
	// Instances is how many a systemd template has, when its files do not tell.
	Instances int
}

// Note is something that a person should know: a directive that has no
// counterpart, or one that means something else from now on.
type Note struct {
	File string
	// Line is counted from 1; 0 is the file as a whole.
	Line      int
	Directive string
	Text      string
}

// String is "FILE:LINE: DIRECTIVE: TEXT".
func (n Note) String() string {
	where := n.File
	if n.Line > 0 {
		where = fmt.Sprintf("%s:%d", n.File, n.Line)
	}
	if n.Directive != "" {
		where += ": " + n.Directive
	}
	return where + ": " + n.Text
}

// Result is what has been read.
type Result struct {
	// Apps are the names of the apps, in the order of the text.
	Apps []string
	// Text is a configuration file; empty when nothing is of use.
	Text []byte
	// Notes are in the order of the files.
	Notes []Note
	// Secrets tells that a variable looks like one that not everybody should read.
	Secrets bool
}

// Read reads files of any kind, together: a pool belongs to its php-fpm.conf, a
// service to its socket, a script to what it reads from /etc/default.
func Read(files []Source, opt Options) Result {
	r := newReading(opt)
	kinds := map[kind][]Source{}
	for _, f := range files {
		if f.Path != "" {
			r.paths[f.Name] = f.Path
		}
		k := kindOf(f)
		kinds[k] = append(kinds[k], f)
	}
	r.others = slices.Concat(kinds[unknown], kinds[script])
	r.supervisord(kinds[supervisord])
	r.fpm(kinds[fpm])
	r.systemd(kinds[systemd])
	r.scripts(kinds[script])
	for _, f := range kinds[unknown] {
		if !r.lent[f.Name] {
			r.note(place{f.Name, 0}, "", "not a configuration of supervisord, PHP-FPM or systemd, and not a script or Upstart job with spawn-fcgi or multiwatch: skipped")
		}
	}
	return r.result(files)
}

// CommandLine reads the command line of spawn-fcgi.
func CommandLine(argv []string, opt Options) Result {
	r := newReading(opt)
	const name = "the command line"
	if r.spawned(place{name, 0}, known(argv), spawning{of: "spawn-fcgi of " + name}) == unrelated {
		r.note(place{name, 0}, "", "starts neither spawn-fcgi nor multiwatch: give a line such as spawn-fcgi -s SOCKET -- PROGRAM")
	}
	return r.result([]Source{{Name: name}})
}

// reading is one import under way.
type reading struct {
	opt    Options
	paths  map[string]string // of sources, by name
	notes  []Note
	noted  map[Note]bool
	noises map[string]int // notes of each file
	drafts []*draft
	// others are files that mean something only to those that read them; lent are those that were.
	others []Source
	lent   map[string]bool
	// scaled is set when Options.Instances was of use.
	scaled bool
}

func newReading(opt Options) *reading {
	if opt.Getenv == nil {
		opt.Getenv = func(string) (string, bool) { return "", false }
	}
	if opt.Look == nil {
		opt.Look = func(name string) (string, error) { return "", fmt.Errorf("%s: not looked for", name) }
	}
	if opt.PrimaryGroup == nil {
		opt.PrimaryGroup = func(string) (string, bool) { return "", false }
	}
	return &reading{opt: opt, paths: map[string]string{}, noted: map[Note]bool{}, noises: map[string]int{}, lent: map[string]bool{}}
}

// path is where a file is.
func (r *reading) path(name string) string {
	if p := r.paths[name]; p != "" {
		return p
	}
	return name
}

// place is where something stands.
type place struct {
	file string
	line int
}

// maxNotes bounds the notes of one file.
const maxNotes = 1000

func (r *reading) note(at place, directive, format string, args ...any) {
	r.keepNote(Note{at.file, at.line, directive, fmt.Sprintf(format, args...)})
}

func (r *reading) keepNote(n Note) {
	if r.noted[n] {
		return
	}
	if r.noises[n.File]++; r.noises[n.File] <= maxNotes {
		r.noted[n] = true
		r.notes = append(r.notes, n)
	}
}

// lend is a file that another one reads, such as one of /etc/default.
func (r *reading) lend(name string) (Source, bool) {
	for _, f := range r.others {
		whole := r.path(f.Name)
		if whole == name || path.Base(whole) == path.Base(name) && path.Base(path.Dir(whole)) == path.Base(path.Dir(name)) {
			r.lent[f.Name] = true
			return f, true
		}
	}
	return Source{}, false
}

// result checks what has been read, and writes it.
func (r *reading) result(files []Source) Result {
	r.nameApart()
	text := r.settle()
	if r.opt.Instances > 0 && !r.scaled && len(r.drafts) > 0 {
		r.note(place{files[0].Name, 0}, "", "--instances is not used: it is for a template of systemd's")
	}
	if len(text) == 0 && len(r.notes) == 0 {
		for _, f := range files {
			r.note(place{f.Name, 0}, "", "configures no FastCGI program")
		}
	}
	order := map[string]int{}
	for i, f := range files {
		order[f.Name] = i
		if more := r.noises[f.Name] - maxNotes; more > 0 {
			r.notes = append(r.notes, Note{File: f.Name, Line: math.MaxInt, Text: fmt.Sprintf("%d more remarks", more)})
		}
	}
	slices.SortStableFunc(r.notes, func(a, b Note) int {
		if o := order[a.File] - order[b.File]; o != 0 {
			return o
		}
		return a.Line - b.Line
	})
	for i := range r.notes {
		if r.notes[i].Line == math.MaxInt {
			r.notes[i].Line = 0
		}
	}
	res := Result{Text: text, Notes: r.notes}
	for _, d := range r.drafts {
		res.Apps = append(res.Apps, d.name)
		res.Secrets = res.Secrets || d.secrets
	}
	return res
}

// poolSetting is what tells FPM's files from the INI files of others.
var poolSetting = pattern(`(?m)^[ \t]*(\[global\]|pm[ \t]*=|listen[ \t]*=|include[ \t]*=)`)

// startsFastCGI is what tells a script that matters.
var startsFastCGI = pattern(`spawn-fcgi|multiwatch|fcgiwrap|php-cgi`)

// kind is whose configuration a file is.
type kind int

const (
	unknown kind = iota
	supervisord
	fpm
	systemd
	script
)

// kindOf goes by the name where systemd does, and by the content elsewhere.
func kindOf(f Source) kind {
	if _, ok := unitOf(f.Name); ok {
		return systemd
	}
	text := string(f.Data)
	if !strings.HasPrefix(text, "#!") {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			name, inBrackets := strings.CutPrefix(line, "[")
			name, _, closed := strings.Cut(name, "]")
			if !inBrackets || !closed {
				continue
			}
			before, _, colon := strings.Cut(name, ":")
			switch before {
			case "supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "include":
				return supervisord
			case "program", "fcgi-program", "group", "eventlistener", "rpcinterface":
				if colon {
					return supervisord
				}
			case "Unit", "Service", "Socket", "Install":
				return unknown // a unit whose name does not say what of
			}
			if poolSetting().MatchString(text) {
				return fpm
			}
			return unknown
		}
	}
	if startsFastCGI().MatchString(text) {
		return script
	}
	return unknown
}
