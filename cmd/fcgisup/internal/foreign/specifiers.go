package foreign

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
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
		if fixed, known := s.specifier(value[i]); known {
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
	case 'i', 'I':
		return s.number(), s.number() != ""
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

// passed is a value that a generated unit shall hold: what is made of the unit's
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
		b.WriteString(value[i-1 : i+1])
	}
	return b.String()
}

// execWords splits an Exec line and expands it, systemd.service(5) "Command lines".
func (s *service) execWords(d located) ([]string, bool) {
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
	var argv []string
	for i, word := range words {
		text, ok := s.specifiers(word)
		if !ok {
			s.note(d.at, d.Key, "%s differs between instances, or is known to systemd only; the workers of all instances are started alike: left out", word)
			return nil, false
		}
		if i == 0 || strings.Contains(prefixes, ":") {
			argv = append(argv, text)
			continue
		}
		argv = append(argv, s.variables(d, text)...)
	}
	return argv, true
}

// variables expands $X, which splits if it is a word of its own, and ${X}.
func (s *service) variables(d located, word string) []string {
	if name, ok := strings.CutPrefix(word, "$"); ok && variableName(name) {
		value, known := s.variable(d, name)
		if !known {
			return nil
		}
		return strings.Fields(value)
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		rest := word[i:]
		switch {
		case strings.HasPrefix(rest, "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(rest, "${"):
			name, _, closed := strings.Cut(rest[2:], "}")
			if !closed || !variableName(name) {
				b.WriteByte('$')
				continue
			}
			value, _ := s.variable(d, name)
			b.WriteString(value)
			i += len(name) + 2
		default:
			b.WriteByte(word[i])
		}
	}
	return []string{b.String()}
}

func variableName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") == "" && (s[0] < '0' || s[0] > '9')
}

// variable is the unit's own; a file that is not here may set it as well.
func (s *service) variable(d located, name string) (string, bool) {
	value, known := s.env[name]
	file, hasFile := s.unit.last("Service", "EnvironmentFile")
	file.Value, _ = s.specifiers(strings.TrimPrefix(file.Value, "-"))
	switch {
	case !known && hasFile:
		s.note(d.at, "$"+name, "is not known here and taken as empty; if %s sets it, write its words into command:", file.Value)
	case !known:
		s.note(d.at, "$"+name, "is not set: taken as empty")
	case hasFile:
		shown := strconv.Quote(value)
		if secret(name, value) {
			shown = "what Environment= says"
		}
		s.note(d.at, "$"+name, "is taken to be %s; %s may set it to something else", shown, file.Value)
	}
	return value, known
}
