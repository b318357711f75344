package fcgisup

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostMarks is how many combining marks may follow each other: more than any
// script needs are drawn over the lines above and below.
const mostMarks = 8

// Printable returns text that others chose (names of processes and files, what
// workers print, what control sockets answer) as one line that does nothing to a
// terminal, a log or a page but be read. What is not shown as itself becomes a
// visible escape, so that evidence stays evidence: bytes that are not UTF-8 and
// control characters (\x1b, \n), bidirectional controls, separators of lines and
// paragraphs, zero-width and other format characters, and what is private or
// unassigned (\u202e). A backslash stays as it is, so the result is to be read,
// not to be turned back; Printable of the result is the result.
//
// HTML is still to be escaped by its template, a line of a table to be cut.
func Printable(s string) string {
	if plain(s) {
		return s
	}
	return printable(s, -1)
}

// PrintableAtMost is [Printable] of at most so many bytes: what is cut ends with
// "…". It reads no more of s than it shows.
func PrintableAtMost(s string, most int) string {
	if len(s) <= most && plain(s) {
		return s
	}
	return printable(s, max(most, 0))
}

// plain tells of most texts at once that they are as they will be.
func plain(s string) bool {
	for n := range len(s) {
		if s[n] < ' ' || s[n] > '~' {
			return false
		}
	}
	return true
}

const cutMark = "…"

// printable shows s in at most so many bytes, -1: all of it.
func printable(s string, most int) string {
	var out strings.Builder
	fits := 0 // the length of what may stay if the mark of a cut must follow
	for marks := 0; s != ""; {
		r, size := utf8.DecodeRuneInString(s)
		shown := s[:size]
		switch {
		case r == utf8.RuneError && size == 1:
			shown, marks = fmt.Sprintf(`\x%02x`, s[0]), 0
		case unicode.Is(unicode.M, r) && visible(r):
			if marks++; marks > mostMarks {
				shown = escape(r)
			}
		case visible(r):
			marks = 0
		default:
			shown, marks = escape(r), 0
		}
		if most >= 0 && out.Len()+len(shown) > most {
			if most < len(cutMark) {
				return ""
			}
			return out.String()[:fits] + cutMark
		}
		out.WriteString(shown)
		if out.Len()+len(cutMark) <= most {
			fits = out.Len()
		}
		s = s[size:]
	}
	return out.String()
}

// visible reports whether a character is shown as itself: it leaves a mark or a
// space where it stands, and does nothing else.
func visible(r rune) bool {
	switch {
	case r == '\u2800', unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return false // of letters, marks and symbols, those that show nothing
	case unicode.Is(unicode.Zs, r):
		return true
	}
	return unicode.IsPrint(r)
}

func escape(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	switch {
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
