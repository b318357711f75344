package deploy

import (
	"bytes"

	"github.com/rogpeppe/go-internal/diff"
)

// unifiedDiff is what diff -u prints, empty for equal texts.
func unifiedDiff(oldName, newName, before, after string) string {
	text := diff.Diff(oldName, []byte(before), newName, []byte(after))
	_, text, _ = bytes.Cut(text, []byte("\n")) // the line "diff OLD NEW"
	return string(text)
}
