package finding

import (
	"fmt"
	"io"

	"github.com/fcgisup/fcgisup"
)

// Grade is how much a finding hurts.
type Grade string

// The grades, the worst first.
const (
	Error   Grade = "error"
	Warning Grade = "warning"
	Note    Grade = "note"
)

// gradeText is a grade with the heading and the colour of its findings.
type gradeText struct {
	Is              Grade
	Heading, Colour string
}

// Severities are all, the worst first.
func Severities() []gradeText {
	return []gradeText{{Error, "errors", "31"}, {Warning, "warnings", "33"}, {Note, "notes", "36"}}
}

// Finding is one thing that is wrong, and its JSON. Its words are stable but
// for the message, which is for people.
type Finding struct {
	ID       string `json:"id"`
	Severity Grade  `json:"severity"`
	// Subject is where: a unit, a FILE:LINE, an app, an address.
	Subject string `json:"subject"`
	Message string `json:"message"`
	// Fix is a command or a directive; "{}" in a rule's is the subject.
	Fix string `json:"fix"`
}

// PrintShort prints a finding for a command that looks at other things, too.
func (f Finding) PrintShort(w io.Writer) {
	fmt.Fprintf(w, "%s: %s: %s\n", f.Severity, fcgisup.Printable(f.Subject), fcgisup.Printable(f.Message))
	if f.Fix != "" {
		fmt.Fprintf(w, "  fix: %s\n", fcgisup.Printable(f.Fix))
	}
}
