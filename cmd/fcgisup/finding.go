package main

import (
	"fmt"
	"io"

	"github.com/fcgisup/fcgisup"
)

// grade is how much a finding hurts.
type grade string

const (
	isError   grade = "error"
	isWarning grade = "warning"
	isNote    grade = "note"
)

// gradeText is a grade with the heading and the colour of its findings.
type gradeText struct {
	is              grade
	heading, colour string
}

// severities are all, the worst first.
func severities() []gradeText {
	return []gradeText{{isError, "errors", "31"}, {isWarning, "warnings", "33"}, {isNote, "notes", "36"}}
}

// finding is one thing that is wrong, and its JSON. Its words are stable but
// for the message, which is for people.
type finding struct {
	ID       string `json:"id"`
	Severity grade  `json:"severity"`
	// Subject is where: a unit, a FILE:LINE, an app, an address.
	Subject string `json:"subject"`
	Message string `json:"message"`
	// Mend is a command or a directive; "{}" in a rule's is the subject.
	Mend string `json:"mend"`
}

// printShort prints a finding for a command that looks at other things, too.
func (f finding) printShort(w io.Writer) {
	fmt.Fprintf(w, "%s: %s: %s\n", f.Severity, fcgisup.Printable(f.Subject), fcgisup.Printable(f.Message))
	if f.Mend != "" {
		fmt.Fprintf(w, "  fix: %s\n", fcgisup.Printable(f.Mend))
	}
}
