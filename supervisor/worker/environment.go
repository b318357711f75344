package worker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// environmentFile reads KEY=VALUE lines as systemd.exec(5) does for
// EnvironmentFile=. A file that we may not read is systemd's business: it has
// read it as root and passed on what it says; what it is then comes back as nil.
func environmentFile(path string) (map[string]string, *FileState, error) {
	name, optional := strings.CutPrefix(path, "-")
	if name == "" {
		return nil, nil, nil
	}
	data, read, err := readAtOnce(name)
	switch {
	case optional && errors.Is(err, fs.ErrNotExist):
		return nil, &FileState{Err: unix.ENOENT}, nil
	case errors.Is(err, fs.ErrPermission) && os.Getenv("INVOCATION_ID") != "":
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("cannot read the environment file: %w", err)
	}
	return parseEnvironment(data), read, nil
}

// parseEnvironment takes what systemd takes: comments, quotes, also several in
// one value and over several lines, a backslash that continues a line. What is
// not an assignment is skipped, as there.
func parseEnvironment(data []byte) map[string]string {
	env := map[string]string{}
	text := string(data)
	for text != "" {
		var key, value string
		text = strings.TrimLeft(text, " \t\r\n")
		if end := strings.IndexAny(text, "=\r\n"); text != "" && text[0] != '#' && text[0] != ';' && end >= 0 && text[end] == '=' {
			key, text = strings.TrimRight(text[:end], " \t"), text[end+1:]
			value, text = parseValue(text)
		} else {
			_, text = cutLine(text)
		}
		if variableName().MatchString(key) && utf8.ValidString(value) && !strings.ContainsFunc(value, forbidden) {
			env[key] = value
		}
	}
	return env
}

var variableName = pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)

// forbidden are the control characters that systemd lets into no variable.
func forbidden(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }

// cutLine splits after the first line end.
func cutLine(text string) (line, rest string) {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, ""
}

// parseValue reads a value to its line end, and returns what follows. Quotes mean
// something only where a piece begins: at the start and after another quoted one.
func parseValue(text string) (value, rest string) {
	var b strings.Builder
	for {
		text = strings.TrimLeft(text, " \t")
		switch {
		case text == "" || text[0] == '\n' || text[0] == '\r':
			_, rest = cutLine(text)
			return b.String(), rest
		case text[0] == '\'':
			piece, after, _ := strings.Cut(text[1:], "'")
			b.WriteString(piece)
			text = after
		case text[0] == '"':
			text = parseDouble(&b, text[1:])
		default:
			text = parseBare(&b, text)
		}
	}
}

// parseDouble reads to the closing quote; a backslash escapes " \ $ and `, joins
// lines, and else is itself.
func parseDouble(b *strings.Builder, text string) (rest string) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return text[i+1:]
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(text):
			i++
			if next := text[i]; strings.IndexByte("\"\\$`", next) < 0 && next != '\n' {
				b.WriteByte('\\')
			}
			if text[i] != '\n' {
				b.WriteByte(text[i])
			}
		}
	}
	return ""
}

// parseBare reads to the line end, less the blanks before it; a backslash makes
// any character itself, and joins lines.
func parseBare(b *strings.Builder, text string) (rest string) {
	var piece strings.Builder
	kept := 0 // of piece, that are not blanks at its end
	i := 0
	for ; i < len(text) && text[i] != '\n' && text[i] != '\r'; i++ {
		c, escaped := text[i], false
		if c == '\\' {
			if i++; i == len(text) {
				break
			}
			c, escaped = text[i], true
			if c == '\n' || c == '\r' {
				kept = piece.Len()
				continue
			}
		}
		piece.WriteByte(c)
		if escaped || c != ' ' && c != '\t' {
			kept = piece.Len()
		}
	}
	b.WriteString(piece.String()[:kept])
	return text[i:]
}

// readAtOnce reads a file as large as a configuration may be, and tells what it was
// before: what is written meanwhile is a change. A pipe without a writer is
// empty and blocks no reader.
func readAtOnce(name string) ([]byte, *FileState, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	conn, err := f.SyscallConn() // f.Fd would make it blocking
	if err != nil {
		return nil, nil, err
	}
	before := stateOf(func(_ string, st *unix.Stat_t) (err error) {
		failed := conn.Control(func(fd uintptr) { err = unix.Fstat(int(fd), st) })
		return errors.Join(failed, err)
	}, name)
	data, err := io.ReadAll(io.LimitReader(f, fcgisup.MaxConfigSize))
	return data, &before, err
}
