package nginx

import (
	"strings"
	"unicode"
)

// writer writes directives one by one, each word quoted where it has to be.
type writer struct {
	b     strings.Builder
	depth int
}

func head(o Options, use string) *writer {
	w := &writer{}
	w.comment(strings.TrimPrefix(Header, "# ") + o.Generator)
	w.comment("Do not edit: change the configuration and generate it again. " + use)
	w.b.WriteByte('\n')
	return w
}

func (w *writer) indent() {
	for range w.depth {
		w.b.WriteByte('\t')
	}
}

func (w *writer) comment(text string) {
	w.indent()
	w.b.WriteString("# ")
	w.b.WriteString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
	w.b.WriteByte('\n')
}

func (w *writer) words(words []string) {
	w.indent()
	for i, word := range words {
		if i > 0 {
			w.b.WriteByte(' ')
		}
		w.b.WriteString(quote(word))
	}
}

// put writes a directive.
func (w *writer) put(words ...string) {
	w.words(words)
	w.b.WriteString(";\n")
}

// open begins a block.
func (w *writer) open(words ...string) {
	w.words(words)
	w.b.WriteString(" {\n")
	w.depth++
}

func (w *writer) close() {
	w.depth--
	w.indent()
	w.b.WriteString("}\n")
}

// bare is what nginx takes as one word without quotes.
var bare = pattern(`^[A-Za-z0-9_$@%+=:,./^()*?\[\]~-]+$`)

// quote makes one word of a string. Within quotes only the quote and the
// backslash are special, and "$" where the directive knows variables.
func quote(s string) string {
	if bare().MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
