package foreign

import (
	"fmt"
	"strconv"
	"strings"
)

// maxText is the longest value that is made by expansion.
const maxText = 64 << 10

// expand does what Python's % does with supervisord's names: %(name)s, %(name)02d
// and %%. False, with a note, if it cannot: supervisord does not start, either.
func (p *program) expand(e entry) (string, bool) {
	var b strings.Builder
	s := e.value
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		n, text, why := p.expansion(s[i:])
		if why == "" && b.Len() > maxText {
			why = "is longer than 64 KiB"
		}
		if why != "" {
			p.note(e.at, e.key, "%s: left out", why)
			return "", false
		}
		if e.key == "command" && p.count > 1 && strings.HasPrefix(s[i:], "%(process_num)") {
			p.note(e.at, e.key, "each process had its own number here; workers of one instance are started alike, with %s", text)
		}
		b.WriteString(text)
		s = s[i+n:]
	}
	return b.String() + s, true
}

// expansion reads the one that s begins with, and tells its length.
func (p *program) expansion(s string) (n int, text, why string) {
	if strings.HasPrefix(s, "%%") {
		return 2, "%", ""
	}
	name, format, closed := strings.Cut(strings.TrimPrefix(s, "%("), ")")
	if !strings.HasPrefix(s, "%(") || !closed {
		return 1, "%", "a lone % is not an expansion"
	}
	width := strings.IndexAny(format, "sdi")
	if width < 0 || strings.Trim(format[:width], "0123456789-") != "" || width > 4 {
		return 1, "%", fmt.Sprintf("%%(%s) has no format that is known", name)
	}
	n = len("%()") + len(name) + width + 1
	value, ok := p.names[name]
	switch {
	case ok:
	case strings.HasPrefix(name, "ENV_"):
		return n, s[:n], fmt.Sprintf("%%(%s) is not known here: it is of supervisord's environment, and import does not take its own", name)
	default:
		return n, s[:n], fmt.Sprintf("%%(%s) is not known here", name)
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
