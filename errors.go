package fcgisup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing wrong with a configuration file.
type Error struct {
	File      string
	Line, Col int
	// Key is the path of the value, "apps.rt.workers.max"; empty for the file as a whole.
	Key string
	Msg string
	// Warning says that the file is accepted and that this will cause trouble.
	Warning bool
}

// Error is "FILE:LINE:COL: KEY: MESSAGE", as editors and compilers have it; a
// warning has "warning: " before the key.
func (e *Error) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Col)
	if e.Warning {
		where += "warning: "
	}
	if e.Key == "" {
		return where + e.Msg
	}
	return where + e.Key + ": " + e.Msg
}

// Errors is everything wrong with a configuration file, in file order.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}
