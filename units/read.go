package units

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	systemd "github.com/coreos/go-systemd/v22/unit"
)

// Directive is one assignment of a unit file that an administrator has written.
type Directive struct {
	Section, Key string
	// Value is as systemd sees it: continued lines joined by a blank, comments
	// between them left out. Quotes, specifiers and variables are untouched.
	Value string
	// Line is where it begins, from 1.
	Line int
}

// Read reads a unit file or a drop-in, systemd.syntax(7), in the file's order.
func Read(data []byte) ([]Directive, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("cannot read the unit: it is not UTF-8")
	}
	joined, lines := joinLines(data)
	// The library skips what stands before the first section.
	if first := bytes.TrimSpace(joined); len(first) > 0 && first[0] != '[' {
		return nil, errors.New("cannot read the unit: it does not begin with a section")
	}
	options, err := systemd.DeserializeOptions(bytes.NewReader(joined))
	if err != nil {
		return nil, fmt.Errorf("cannot read the unit: %w", err)
	}
	all := make([]Directive, 0, len(options))
	next := 0
	for _, o := range options {
		d := Directive{Section: o.Section, Key: o.Name, Value: o.Value}
		for next < len(lines) && !lines[next].assigns(o.Name) {
			next++
		}
		if next < len(lines) {
			d.Line = lines[next].number
			next++
		}
		all = append(all, d)
	}
	return all, nil
}

// line is a logical line: what a backslash at the end continues is one.
type line struct {
	number int
	text   string
}

func (l line) assigns(key string) bool {
	before, _, found := strings.Cut(l.text, "=")
	return found && strings.TrimSpace(before) == key
}

// joinLines does what systemd does with a backslash at the end of a line, which
// go-systemd leaves in the value: a blank takes its place, and comments in
// between are skipped.
func joinLines(data []byte) ([]byte, []line) {
	var lines []line
	number, open := 0, false
	for text := range strings.Lines(string(data)) {
		number++
		text = strings.TrimRight(text, "\r\n")
		trimmed := strings.TrimLeft(text, " \t")
		comment := strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";")
		if comment {
			continue
		}
		body, continues := strings.CutSuffix(text, `\`)
		if continues {
			body += " "
		}
		if open {
			last := &lines[len(lines)-1]
			last.text += body
		} else {
			lines = append(lines, line{number, body})
		}
		open = continues
	}
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(strings.TrimRight(l.text, " \t") + "\n")
	}
	return b.Bytes(), lines
}
