package monitor

import (
	"strings"
	"unicode"
)

// maxLine bounds a foreign text, in runes.
const maxLine = 300

// OneLine makes a foreign text fit for a table, a message, a terminal and a log:
// one line of at most 300 runes, without control characters.
func OneLine(s string) string {
	s = Unfolded(s)
	if runes := []rune(s); len(runes) > maxLine {
		s = string(runes[:maxLine-1]) + "…"
	}
	return s
}

// Unfolded is the same however long.
func Unfolded(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}
