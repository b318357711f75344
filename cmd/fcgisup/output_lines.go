package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	quotedLines = 3
	quotedBytes = 200
)

// firstLines quotes what a program printed before it failed: the first lines that
// are not blank, for the reason mostly stands there and what follows is a trace.
func firstLines(f *control.Failure) string {
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

// outputs says below the table what the programs of failing instances printed,
// those that printed the same together.
func outputs(w io.Writer, all []control.Status) error {
	which := map[string][]string{}
	var texts []string
	for _, st := range all {
		if text := firstLines(st.LastFailure); text != "" && st.State == control.InstanceFailing {
			if which[text] == nil {
				texts = append(texts, text)
			}
			which[text] = append(which[text], fmt.Sprintf("%s@%d", st.App, st.Instance))
		}
	}
	for _, text := range texts {
		if _, err := fmt.Fprintf(w, "%s printed: %s\n", strings.Join(which[text], ", "), text); err != nil {
			return err
		}
	}
	return nil
}
