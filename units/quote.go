package units

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fcgisup/fcgisup"
)

// literal doubles "%", which introduces systemd's specifiers, systemd.unit(5).
func literal(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// bare is what needs no quotes in a list of words.
var bare = pattern(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quote makes one word of a string, systemd.syntax(7) "Quoting".
func quote(s string) string {
	if bare().MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && size == 1 || r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, s[0])
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	b.WriteByte('"')
	return b.String()
}

// assignment is one Environment= value, systemd.exec(5); "$" means nothing there.
func assignment(key, value string) string { return literal(quote(key + "=" + value)) }

// argument is one word of an Exec line, systemd.service(5) "Command lines".
func argument(s string) string {
	return strings.ReplaceAll(literal(quote(s)), "$", "$$")
}

// execLine is a command line whose words arrive as they are. Words in raw keep
// their specifiers. The program's path is never searched for variables, so
// "$$" would not become "$" in it: with one there, ":" turns variables off
// for the whole line instead.
func execLine(argv []string, raw ...int) string {
	words := make([]string, len(argv))
	off := strings.Contains(argv[0], "$")
	for i, arg := range argv {
		words[i] = argument(arg)
		if off {
			words[i] = literal(quote(arg))
		}
	}
	for _, i := range raw {
		words[i] = strings.ReplaceAll(words[i], "%%i", "%i")
	}
	line := strings.Join(words, " ")
	if off {
		return ":" + line
	}
	return line
}

// span is a duration as systemd.time(7) has it, rounded up to its resolution.
func span(d time.Duration) string {
	switch {
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	case d%time.Millisecond == 0:
		return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
	}
	return strconv.FormatInt(int64((d+time.Microsecond-1)/time.Microsecond), 10) + "us"
}

// total is the sum of durations as a span; one that cannot be counted is not a limit.
func total(all ...time.Duration) string {
	var sum time.Duration
	for _, d := range all {
		if sum += d; sum < 0 {
			return "infinity"
		}
	}
	return span(sum)
}

// expressible refuses what no quoting can carry into a unit.
func expressible(app fcgisup.App, o Options) error {
	if !app.Systemd.Supervise {
		if err := checkProgram("the command", app.Command[0]); err != nil {
			return err
		}
		if trimmed(app.Directory) {
			return fmt.Errorf("systemd drops the white space at the end of the directory %q", app.Directory)
		}
	} else if err := checkProgram("the path of fcgisup", o.Binary); err != nil {
		return err
	}
	if trimmed(app.Listen.Path) {
		return fmt.Errorf("systemd drops the white space at the end of the socket path %q", app.Listen.Path)
	}
	if trimmed(app.EnvironmentFile) {
		return fmt.Errorf("systemd drops the white space at the end of the file name %q", app.EnvironmentFile)
	}
	return nil
}

func trimmed(s string) bool { return s != strings.TrimRight(s, " \t") }

// checkProgram refuses what systemd does not take for an absolute path: the
// characters before it that change its meaning ("@", "-", ":", "+", "!") are
// read after the quotes are gone.
func checkProgram(what, program string) error {
	switch {
	case !strings.HasPrefix(program, "/"), strings.HasSuffix(program, "/"):
		return fmt.Errorf("%s, %q, must be an absolute path to a file", what, program)
	case strings.ContainsFunc(program, unicode.IsControl), !utf8.ValidString(program):
		return fmt.Errorf("systemd refuses control characters in %s, %q", what, program)
	case strings.ContainsAny(program, `\"'`):
		return fmt.Errorf("systemd refuses quotes and backslashes in %s, %q", what, program)
	}
	return nil
}

// maxLine is LONG_LINE_MAX in systemd: a longer line makes it refuse the file.
const maxLine = 1 << 20

var errLongLine = errors.New("systemd reads lines of less than 1 MiB")

func checkLines(f fcgisup.File) error {
	if len(f.Data) < maxLine {
		return nil
	}
	for line := range strings.Lines(string(f.Data)) {
		if len(line) >= maxLine {
			return fmt.Errorf("%w, and %s holds one of %d bytes", errLongLine, f.Path, len(line))
		}
	}
	return nil
}
