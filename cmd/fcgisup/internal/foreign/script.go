package foreign

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// scripts reads shell scripts, such as those of /etc/init.d, for the command
// lines of spawn-fcgi in them.
func (r *reading) scripts(files []Source) {
	for _, f := range files {
		s := &shell{reading: r, vars: map[string]string{}, exported: map[string]string{}}
		found := false
		for _, l := range logicalLines(f.Data) {
			at := place{f.Name, l.number}
			s.sources(l.text, at)
			if m := assignment().FindStringSubmatch(l.text); m != nil {
				s.set(m[2]+"="+strings.Join(s.words(m[3], at, true), " "), m[1] == "export")
				continue
			}
			found = s.line(l.text, at) || found
		}
		if !found {
			s.pending = nil
			r.note(place{f.Name, 0}, "", "no command line of spawn-fcgi with its socket was understood; it can be given as it is: fcgisup import -- spawn-fcgi …")
		}
		r.notes = append(r.notes, s.pending...)
	}
}

// sourced is a file that a script reads in place, "." or "source" of sh(1).
var sourced = pattern(`(?:^|[;&|{]|\b(?:then|do|else))\s*(?:\.|source)\s+([^\s;&|]+)`)

// sources notes the files that a script reads and we do not. Debian's functions
// for init scripts set nothing that a program is started with.
func (s *shell) sources(text string, at place) {
	for _, m := range sourced().FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "/lib/lsb/") && !strings.HasPrefix(m[1], "/lib/init/") {
			s.pending = append(s.pending, Note{at.file, at.line, m[1], "is read by the script, not by import: what it sets is not known here"})
		}
	}
}

type scriptLine struct {
	number int
	text   string
}

// logicalLines joins what a backslash continues, and leaves out comments.
func logicalLines(data []byte) []scriptLine {
	var all []scriptLine
	number, open := 0, false
	for text := range strings.Lines(string(data)) {
		number++
		text = strings.TrimRight(text, "\r\n")
		if !open && strings.HasPrefix(strings.TrimSpace(text), "#") {
			continue
		}
		body, continues := strings.CutSuffix(text, `\`)
		if open {
			all[len(all)-1].text += " " + body
		} else {
			all = append(all, scriptLine{number, body})
		}
		open = continues
	}
	return all
}

// assignment is a line that only sets a variable.
var assignment = pattern(`^\s*(?:(export|readonly)\s+)?([A-Za-z_][A-Za-z0-9_]*)=((?:"[^"]*"|'[^']*'|[^\s"';&|])*)\s*(?:#.*)?$`)

// shell knows the variables that a script has set so far.
type shell struct {
	*reading
	vars map[string]string
	// exported reach the programs.
	exported map[string]string
	// pending are notes that matter only if the script starts something.
	pending []Note
	// unknown are the variables of this line that nothing has set.
	unknown []string
}

// line takes a spawn-fcgi that has a socket among its words.
func (s *shell) line(text string, at place) bool {
	if !strings.Contains(text, "spawn") && !strings.Contains(text, "$") {
		return false
	}
	found := false
	s.unknown = nil
	for _, command := range s.commands(text, at) {
		if command[0] == "export" {
			for _, word := range command[1:] {
				s.set(word, true)
			}
			continue
		}
		i := spawnerIn(command)
		if i < 0 || path.Base(command[i]) != "spawn-fcgi" {
			continue
		}
		argv := command[i+1:]
		if len(argv) > 0 && argv[0] == "--" { // start-stop-daemon's
			argv = argv[1:]
		}
		if !hasSocket(argv) {
			continue
		}
		by := spawning{of: "spawn-fcgi of " + at.file}
		by.user, by.group = startStopUser(command[:i])
		by.more = func(d *draft) { s.environment(d, command[:i], at) }
		found = s.spawned(at, append([]string{command[i]}, argv...), by) || found
		for _, name := range s.unknown {
			s.note(at, "$"+name, "is not set in the script: taken as empty")
		}
	}
	return found
}

// set reads NAME=VALUE; false if it is none.
func (s *shell) set(word string, export bool) bool {
	name, value, ok := strings.Cut(word, "=")
	if !variableName(name) {
		return false
	}
	if ok {
		s.vars[name] = value
	}
	if _, already := s.exported[name]; export || already {
		s.exported[name] = s.vars[name]
	}
	return ok
}

// environment is what the script has exported, and what stands before the command.
func (s *shell) environment(d *draft, before []string, at place) {
	env := maps.Clone(s.exported)
	delete(env, "PATH") // the shell's own
	for _, word := range before {
		if name, value, ok := strings.Cut(word, "="); ok && variableName(name) {
			env[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		s.reading.variable(d, name, env[name], at)
	}
}

func hasSocket(argv []string) bool {
	for _, word := range argv {
		if word == "--" {
			return false
		}
		if strings.HasPrefix(word, "-s") || strings.HasPrefix(word, "-p") {
			return true
		}
	}
	return false
}

// startStopUser is whom start-stop-daemon(8), sudo(8), runuser(1) or setuidgid becomes before it starts the rest.
func startStopUser(words []string) (user, group string) {
	for i, word := range words {
		if i+1 == len(words) {
			break
		}
		next := words[i+1]
		switch {
		case word == "--chuid" || word == "-c":
			user, group, _ = strings.Cut(next, ":")
		case word == "-u" && !strings.HasPrefix(path.Base(words[0]), "start-stop"), path.Base(word) == "setuidgid":
			user = next
		case word == "-g" && path.Base(words[0]) == "sudo":
			group = next
		}
	}
	return user, group
}

// commands are the simple commands of a line, as words.
func (s *shell) commands(text string, at place) [][]string {
	var all [][]string
	start, quote := 0, byte(0)
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text):
		case quote != 0:
			if text[i] == quote {
				quote = 0
			} else if text[i] == '\\' && quote == '"' {
				i++
			}
			continue
		case text[i] == '"' || text[i] == '\'':
			quote = text[i]
			continue
		case text[i] == '\\':
			i++
			continue
		case !strings.ContainsRune(";|&<>()`", rune(text[i])):
			continue
		}
		part := text[min(start, len(text)):min(i, len(text))]
		if words := s.words(part, at, false); len(words) > 0 {
			all = append(all, words)
		}
		start = i + 1
	}
	return all
}

// words expands variables and splits, as sh(1) does: what comes from an unquoted
// variable is split again. whole is for the right side of an assignment.
func (s *shell) words(text string, at place, whole bool) []string {
	var words []string
	var word strings.Builder
	open, quote := false, byte(0)
	end := func() {
		if open {
			words = append(words, word.String())
			word.Reset()
			open = false
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			end()
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			open = true
		case c == '$' && quote != '\'':
			value, n := s.variable(text[i:], at)
			i += n - 1
			if quote != 0 || whole {
				word.WriteString(value)
				open = open || value != ""
				continue
			}
			for j, piece := range strings.Fields(value) {
				if j > 0 || value[0] == ' ' {
					end()
				}
				word.WriteString(piece)
				open = true
			}
		default:
			word.WriteByte(c)
			open = true
		}
	}
	end()
	return words
}

var variableUse = pattern(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\})`)

// variable is the value of the one that text begins with, and its length.
func (s *shell) variable(text string, at place) (string, int) {
	m := variableUse().FindStringSubmatch(text)
	if m == nil {
		return "$", 1
	}
	name := m[1] + m[2]
	if v, ok := s.vars[name]; ok {
		return v, len(m[0])
	}
	if m[3] != "" {
		s.remember(at, name, m[3])
		s.vars[name] = m[3]
		return m[3], len(m[0])
	}
	s.unknown = append(s.unknown, name)
	return "", len(m[0])
}

// remember notes a default that another file may have changed.
func (s *shell) remember(at place, name, value string) {
	s.pending = append(s.pending, Note{
		at.file, at.line, "$" + name,
		"is taken to be " + value + ", its default here; a file such as /etc/default/" + path.Base(at.file) + " may set it",
	})
}
