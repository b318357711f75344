package control

import (
	"strings"

	"github.com/fcgisup/fcgisup"
)

const (
	quotedLines = 3
	quotedBytes = 200
)

// FirstLines quotes what a program printed before it failed: the first lines that
// are not blank, for the reason mostly stands there and what follows is a trace.
func FirstLines(f *Failure) string {
	if f == nil {
		return ""
	}
	var all []string
	for _, line := range f.Output {
		if line = strings.TrimSpace(line); line != "" && len(all) < quotedLines {
			all = append(all, fcgisup.PrintableAtMost(line, quotedBytes))
		}
	}
	return strings.Join(all, " / ")
}
