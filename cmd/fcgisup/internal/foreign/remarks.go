package foreign

import (
	"slices"
	"strings"
)

// remark is a row of a table of directives that have no key: what a person should know of them.
type remark struct {
	// directives have the remark.
	directives string
	// same are values that mean what fcgisup does anyway: no remark is needed.
	same string
	// text says what stands for the directive; {} is its value, {{}} that in quotes. Empty: no remark is needed.
	text string
}

// affirmative are the values that INI files and systemd call true.
const affirmative = "1 yes true on"

// remarkFor finds the row of a directive; the text is empty where none is needed.
func remarkFor(table []remark, directive, value string) (text string, known bool) {
	i := slices.IndexFunc(table, func(r remark) bool { return slices.Contains(strings.Fields(r.directives), directive) })
	switch {
	case i < 0:
		return "", false
	case slices.Contains(strings.Fields(table[i].same), strings.ToLower(value)):
		return "", true
	}
	return strings.NewReplacer("{{}}", quoted(value), "{}", value).Replace(table[i].text), true
}

// remarkOn notes a directive by its row, or as unknown.
func (r *reading) remarkOn(table []remark, e entry, unknown string) {
	text, known := remarkFor(table, e.key, e.value)
	if !known {
		text = unknown
	}
	if text != "" {
		r.note(e.at, e.key, "%s", text)
	}
}
