package fcgisup

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SplitCommand splits a command line into words as systemd.service(5) does
// under "Command lines": white space separates, single and double quotes group,
// C escapes are undone in both. Variables and specifiers are left alone.
func SplitCommand(line string) ([]string, error) {
	s := &splitter{in: line}
	var words []string
	for {
		s.in = strings.TrimLeft(s.in, " \t")
		if s.in == "" {
			return words, nil
		}
		word, err := s.word()
		if err != nil {
			return nil, err
		}
		if strings.ContainsFunc(word, unicode.IsControl) {
			return nil, errors.New("must not contain a control character")
		}
		words = append(words, word)
	}
}

type splitter struct{ in string }

func (s *splitter) word() (string, error) {
	var out strings.Builder
	quote := byte(0)
	for s.in != "" {
		c := s.in[0]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			return out.String(), nil
		case c == quote:
			quote = 0
			s.in = s.in[1:]
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			s.in = s.in[1:]
		case c == '\\':
			if err := s.escape(&out); err != nil {
				return "", err
			}
		default:
			out.WriteByte(c)
			s.in = s.in[1:]
		}
	}
	if quote != 0 {
		return "", errors.New("has an unclosed quote")
	}
	return out.String(), nil
}

// cEscapes are those of systemd's cunescape_one, less the numbers; "\s" is its own.
var cEscapes = map[byte]byte{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
	'\\': '\\', '"': '"', '\'': '\'', 's': ' ',
}

func (s *splitter) escape(out *strings.Builder) error {
	if len(s.in) < 2 {
		return errors.New("ends in a backslash")
	}
	c := s.in[1]
	if plain, ok := cEscapes[c]; ok {
		out.WriteByte(plain)
		s.in = s.in[2:]
		return nil
	}
	digits, base, from := 0, 16, 2
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		digits, base, from = 3, 8, 1
	default:
		return errors.New("has an unknown escape \\" + string(rune(c)))
	}
	if len(s.in) < from+digits {
		return errors.New("has an escape that is cut short")
	}
	n, err := strconv.ParseUint(s.in[from:from+digits], base, 32)
	if err != nil || n == 0 {
		return errors.New("has a broken escape " + s.in[:from+digits])
	}
	s.in = s.in[from+digits:]
	if c == 'u' || c == 'U' {
		if n > utf8.MaxRune {
			return errors.New("has an escape beyond Unicode")
		}
		out.WriteRune(rune(n))
		return nil
	}
	out.WriteByte(byte(n))
	return nil
}
