package term

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// Exit codes; those of "check" are Nagios's.
const (
	ExitDone  = 0
	ExitFail  = 1
	ExitUsage = 2
)

// ExitError is an error with the exit code and the next step it stands for. A
// nil cause exits silently: what there was to say has been said.
type ExitError struct {
	Code  int
	Hint  string
	Cause error
	// help asks for a hint at the help of the command, which Report knows.
	help bool
}

func (e *ExitError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Cause.Error()
}

func (e *ExitError) Unwrap() error { return e.Cause }

// Usage marks what the person typed or wrote wrong; a hint that is there stays.
func Usage(err error) error {
	var marked *ExitError
	if err == nil || errors.As(err, &marked) && marked.Code == ExitUsage {
		return err
	}
	return &ExitError{Code: ExitUsage, help: true, Cause: err}
}

// CauseOf is an error about a file without the name of the file, for messages that have it.
func CauseOf(err error) error {
	var about *fs.PathError
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}

// helpHint sends to the help of a command, such as "fcgisup import".
func helpHint(command string) string {
	if command == "fcgisup" {
		return "fcgisup --help lists the commands"
	}
	return command + " --help shows what it takes, and examples"
}

// Hinted adds the next step to a failure.
func Hinted(err error, hint string) error {
	return &ExitError{Code: ExitFail, Hint: hint, Cause: err}
}

// Exit ends the command with a code and nothing more to say.
func Exit(code int) error { return &ExitError{Code: code} }

// Said reports whether an error only carries an exit code.
func Said(err error) bool {
	var e *ExitError
	return errors.As(err, &e) && e.Cause == nil
}

// Report prints an error and returns the exit code.
func (c *Env) Report(err error) int {
	if err == nil {
		return ExitDone
	}
	var wrong fcgisup.Errors
	if errors.As(err, &wrong) {
		for _, e := range wrong {
			fmt.Fprintln(c.Err, fcgisup.Printable(e.Error()))
		}
		return ExitUsage
	}
	e := &ExitError{Code: ExitFail, Cause: err}
	errors.As(err, &e)
	if e.Cause == nil {
		return e.Code
	}
	fmt.Fprintf(c.Err, "fcgisup: %s\n", printableLines(err.Error()))
	hint := e.Hint
	var better interface{ Hint() string }
	if hint == "" && errors.As(err, &better) {
		hint = better.Hint()
	}
	if hint == "" && e.help {
		hint = helpHint(cmp.Or(c.Command, "fcgisup"))
	}
	if hint != "" {
		fmt.Fprintf(c.Err, "hint: %s\n", printableLines(hint))
	}
	return e.Code
}

// printableLines keeps the lines of an error: what others have written in it, names
// of processes and files and what control sockets answer, does nothing to a terminal.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for n, line := range lines {
		lines[n] = fcgisup.Printable(line)
	}
	return strings.Join(lines, "\n")
}
