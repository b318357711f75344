package webserver

import (
	"strings"
	"unicode"
)

// writer writes lines, indented by tabs.
type writer struct {
	b     strings.Builder
	depth int
}

// put writes one line of words that are quoted already.
func (w *writer) put(words ...string) {
	w.b.WriteString(strings.Repeat("\t", w.depth))
	w.b.WriteString(strings.Join(words, " "))
	w.b.WriteByte('\n')
}

// open begins a block whose first line is given, close ends it with its last.
func (w *writer) open(words ...string) {
	w.put(words...)
	w.depth++
}

func (w *writer) close(line string) {
	w.depth--
	w.put(line)
}

func (w *writer) blank() { w.b.WriteByte('\n') }

func (w *writer) comment(text string) {
	w.put("#", strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}
