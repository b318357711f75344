package foreign

import (
	"fmt"
	"strconv"
	"strings"
)

// expand does what Python's % does with supervisord's names: %(name)s, %(name)02d
// and %%. A name that is not known stays as it is, with a note.
func (p *program) expand(e entry) string {
	var b strings.Builder
	s := e.value
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		n, text, why := p.expansion(s)
		if why != "" {
			p.note(e.at, e.key, "%s", why)
		}
		b.WriteString(text)
		s = s[n:]
	}
	return b.String() + s
}

// expansion reads the one that s begins with, and tells its length.
func (p *program) expansion(s string) (n int, text, why string) {
	if strings.HasPrefix(s, "%%") {
		return 2, "%", ""
	}
	name, format, closed := strings.Cut(strings.TrimPrefix(s, "%("), ")")
	if !strings.HasPrefix(s, "%(") || !closed {
		return 1, "%", "a lone % is no expansion"
	}
	width := strings.IndexAny(format, "sdi")
	if width < 0 || strings.Trim(format[:width], "0123456789-") != "" || width > 4 {
		return 1, "%", fmt.Sprintf("%%(%s) has no format that is known", name)
	}
	n = len("%()") + len(name) + width + 1
	value, ok := p.lookup(name)
	if !ok {
		return n, s[:n], fmt.Sprintf("%%(%s) is not known here", name)
	}
	if name == "process_num" && p.count > 1 {
		why = "each process had its own number here; workers of one instance are started alike, with " + value
	}
	verb := format[width]
	if verb == 's' {
		return n, fmt.Sprintf("%"+format[:width]+"s", value), why
	}
	number, err := strconv.Atoi(value)
	if err != nil {
		return n, s[:n], fmt.Sprintf("%%(%s) is %q, not a number", name, value)
	}
	return n, fmt.Sprintf("%"+format[:width]+"d", number), why
}

func (p *program) lookup(name string) (string, bool) {
	if v, ok := p.names[name]; ok {
		return v, true
	}
	if variable, ok := strings.CutPrefix(name, "ENV_"); ok {
		return p.opt.Getenv(variable)
	}
	return "", false
}
