package foreign

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// specifiers expands those of systemd.unit(5) that are the same for every
// instance. %i stays, as does what only the running unit knows, with ok false.
func (s *service) specifiers(value string) (text string, ok bool) {
	var b strings.Builder
	ok = true
	for i := 0; i < len(value); i++ {
		if value[i] != '%' || i+1 == len(value) {
			b.WriteByte(value[i])
			continue
		}
		i++
		if fixed, known := s.specifier(value[i]); known && b.Len() < maxText {
			b.WriteString(fixed)
			continue
		}
		ok = false
		b.WriteString(value[i-1 : i+1])
	}
	return b.String(), ok
}

func (s *service) specifier(c byte) (string, bool) {
	if name, ok := s.nameSpecifier(c); ok {
		return strings.ReplaceAll(name, "%i", s.number()), s.number() != "" || !strings.Contains(name, "%i")
	}
	switch c {
	case '%':
		return "%", true
	case 'i':
		return s.number(), s.number() != ""
	case 'I':
		if s.instance != "" {
			return unescape(s.instance), true
		}
		return s.number(), s.number() != ""
	case 'u', 'g': // of the manager
		return "root", true
	case 'U', 'G':
		return "0", true
	case 'h':
		return "/root", true
	case 't':
		return "/run", true
	case 'S':
		return "/var/lib", true
	case 'C':
		return "/var/cache", true
	case 'L':
		return "/var/log", true
	case 'E':
		return "/etc", true
	case 'T':
		return "/tmp", true
	case 'V':
		return "/var/tmp", true
	case 'H':
		return s.opt.Hostname, s.opt.Hostname != ""
	}
	return "", false
}

// number is the instance's where there is one only; else it differs.
func (s *service) number() string {
	if s.instance != "" {
		return s.instance
	}
	if s.count > 1 {
		return ""
	}
	if len(s.numbers) == 1 {
		return fmt.Sprint(s.numbers[0])
	}
	return "1"
}

// nameSpecifier is one that is made of the unit's name, which is another from now on.
func (s *service) nameSpecifier(c byte) (string, bool) {
	name := s.unit.ref.name
	at := ""
	if s.unit.ref.template {
		at = "@%i"
	}
	switch c {
	case 'n':
		return name + at + ".service", true
	case 'N':
		return name + at, true
	case 'p', 'P':
		return name, true
	case 'j', 'J':
		return name[strings.LastIndexByte(name, '-')+1:], true
	}
	return "", false
}

// passed is a value that a generated unit must hold: what is made of the unit's
// name is written out, the rest systemd expands there as here.
func (s *service) passed(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' || i+1 == len(value) {
			b.WriteByte(value[i])
			continue
		}
		i++
		if name, ok := s.nameSpecifier(value[i]); ok {
			b.WriteString(name)
			continue
		}
		if s.instance != "" && (value[i] == 'i' || value[i] == 'I') {
			name, _ := s.specifier(value[i])
			b.WriteString(name)
			continue
		}
		b.WriteString(value[i-1 : i+1])
	}
	return b.String()
}

// execWords splits an Exec line and expands it, systemd.service(5) "Command lines".
func (s *service) execWords(d located) ([]shell.Word, bool) {
	line := strings.TrimLeft(d.Value, "-@:+!|")
	prefixes := d.Value[:len(d.Value)-len(line)]
	if strings.ContainsAny(prefixes, "@+!") {
		s.note(d.at, d.Key, "begins with %s, which has no counterpart: the program is started plainly, as the app's user", prefixes)
	}
	words, err := fcgisup.SplitCommand(line)
	if err != nil {
		s.note(d.at, d.Key, "%v", err)
		return nil, false
	}
	var argv []shell.Word
	size := 0
	for i, word := range words {
		text, ok := s.specifiers(word)
		if size += len(text); size > maxText {
			s.note(d.at, d.Key, "is longer than 64 KiB")
			return nil, false
		}
		switch {
		case i == 1 && strings.Contains(prefixes, "@"): // what the program is called, argv[0]
		case !ok:
			s.note(d.at, d.Key, "%s differs between instances, or is known to systemd only; the workers of all instances are started alike", word)
			return nil, false
		case i == 0 || strings.Contains(prefixes, ":"):
			argv = append(argv, shell.Known(text))
		default:
			argv = append(argv, s.variables(d, text)...)
		}
	}
	return argv, true
}

// variables expands $X, which splits if it is a word of its own, and ${X}.
func (s *service) variables(d located, word string) []shell.Word {
	if name, ok := strings.CutPrefix(word, "$"); ok && variableName(name) {
		value := s.variable(d, name)
		if !value.OK() {
			value.Splits = true
			return []shell.Word{value}
		}
		words, err := fcgisup.SplitCommand(value.Text)
		if err != nil {
			words = strings.Fields(value.Text)
		}
		return known(words)
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		rest := word[i:]
		switch {
		case strings.HasPrefix(rest, "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(rest, "${"):
			name, _, closed := strings.Cut(rest[2:min(len(rest), 260)], "}")
			if !closed || !variableName(name) {
				b.WriteByte('$')
				continue
			}
			value := s.variable(d, name)
			if !value.OK() {
				return []shell.Word{value}
			}
			if b.Len()+len(value.Text) > maxText {
				return []shell.Word{{Unknown: "$" + name + " makes a word that is longer than 64 KiB"}}
			}
			b.WriteString(value.Text)
			i += len(name) + 2
		default:
			b.WriteByte(word[i])
		}
	}
	return []shell.Word{shell.Known(b.String())}
}

func variableName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") == "" && (s[0] < '0' || s[0] > '9')
}

// variable is the unit's own, or one of an environment file; a file that is not here may set it, too.
func (s *service) variable(d located, name string) shell.Word {
	value, ok := s.fileEnv[name]
	hidden := strings.Join(s.hidden, ", ")
	if ok {
		return shell.Known(value)
	}
	value, ok = s.env[name]
	own, manager := s.managerVariable(name)
	switch {
	case !ok && manager:
		return own
	case !ok && hidden != "":
		return shell.Word{Unknown: "$" + name + " is set in " + hidden + ", if anywhere, which is not among the files: give it as an argument too"}
	case !ok:
		s.note(d.at, "$"+name, "is not set: taken as empty, as systemd does")
	case hidden != "":
		shown := strconv.Quote(value)
		if secret(name, value) {
			shown = "what Environment= says"
		}
		s.note(d.at, "$"+name, "is taken to be %s; %s may set it to something else", shown, hidden)
	}
	return shell.Known(value)
}

// readFiles takes the variables of environment files that are among the files.
func (s *service) readFiles() {
	for _, d := range s.unit.values("Service", "EnvironmentFile") {
		name, ok := s.specifiers(strings.TrimPrefix(d.Value, "-"))
		f, given := s.lend(name)
		if !ok || !given {
			s.hidden = append(s.hidden, name)
			clear(s.fileEnv) // this one has the last word
			continue
		}
		for line := range bytes.Lines(bytes.ReplaceAll(f.Data, []byte("\\\n"), []byte(" "))) {
			name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
			if name = strings.TrimSpace(name); !ok || !variableName(name) {
				continue
			}
			words, err := shellWords(value)
			if err != nil {
				s.note(d.at, name, "%s of %s cannot be read: %v", name, f.Name, err)
				continue
			}
			s.fileEnv[name] = strings.Join(words, " ")
		}
	}
}
