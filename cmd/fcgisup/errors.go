package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// Exit codes; those of "check" are Nagios's.
const (
	exitDone  = 0
	exitFail  = 1
	exitUsage = 2
)

// exitError is an error with the exit code and the next step it stands for. A
// nil cause exits silently: what there was to say has been said.
type exitError struct {
	code  int
	hint  string
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// usage marks what the person typed or wrote wrong; a hint that is there stays.
func usage(err error) error {
	var marked *exitError
	if err == nil || errors.As(err, &marked) && marked.code == exitUsage {
		return err
	}
	return &exitError{code: exitUsage, hint: "fcgisup --help shows the commands, fcgisup COMMAND --help an example", cause: err}
}

// hinted adds the next step to a failure.
func hinted(err error, hint string) error {
	return &exitError{code: exitFail, hint: hint, cause: err}
}

// exit ends the command with a code and nothing more to say.
func exit(code int) error { return &exitError{code: code} }

// said tells whether an error only carries an exit code.
func said(err error) bool {
	var e *exitError
	return errors.As(err, &e) && e.cause == nil
}

// report prints an error and returns the exit code.
func (c *env) report(err error) int {
	if err == nil {
		return exitDone
	}
	var wrong fcgisup.Errors
	if errors.As(err, &wrong) {
		for _, e := range wrong {
			fmt.Fprintln(c.err, fcgisup.Printable(e.Error()))
		}
		return exitUsage
	}
	e := &exitError{code: exitFail, cause: err}
	errors.As(err, &e)
	if e.cause == nil {
		return e.code
	}
	fmt.Fprintf(c.err, "fcgisup: %s\n", printableLines(err.Error()))
	hint := e.hint
	var better interface{ Hint() string }
	if hint == "" && errors.As(err, &better) {
		hint = better.Hint()
	}
	if hint != "" {
		fmt.Fprintf(c.err, "hint: %s\n", printableLines(hint))
	}
	return e.code
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
