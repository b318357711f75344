package shell

import (
	"errors"

	"mvdan.cc/sh/v3/syntax"
)

// ErrNotSimple is the error of a text that is more than one command.
var ErrNotSimple = errors.New("is not one simple command, and sh -c runs it")

// Simple reads a text that a shell executes as "exec TEXT", and returns the words of its command. Redirections are
// remarked on.
func Simple(s Script, host Host) ([]Word, error) {
	r := newRun(s, host)
	r.path, r.braces, r.scope.knownArgs = "", true, true
	file, err := r.parse(append([]byte("exec "), s.Text...))
	if err != nil {
		return nil, err
	}
	if len(file.Stmts) != 1 {
		return nil, ErrNotSimple
	}
	stmt := file.Stmts[0]
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || stmt.Background || stmt.Negated || len(call.Assigns) > 0 || call.Args[0].Lit() != "exec" {
		return nil, ErrNotSimple
	}
	words := r.fields(call.Args[1:])
	r.redirections(stmt.Redirs)
	if r.exhausted() {
		return nil, ErrLimit
	}
	return words, nil
}
