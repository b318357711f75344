package shell

import (
	"fmt"
	"slices"

	"mvdan.cc/sh/v3/syntax"
)

// enter and leave a loop, or a function.
func (r *run) enter() *frame {
	f := &frame{left: map[string]int{}, locals: map[string]variable{}, loop: true}
	r.frames = append(r.frames, f)
	return f
}

func (r *run) leave(f *frame) {
	r.frames = r.frames[:len(r.frames)-1]
	if f.loop {
		last := r.frames[len(r.frames)-1]
		last.early = last.early || f.early
	}
	for name, line := range f.left {
		r.doubt(name, line, "may be set in line %d")
	}
}

// loop follows a body until more says no. While it is not known whether there is another round, what the body
// changes is not known, either.
func (r *run) loop(at Place, more func() Status, body func() (Status, flow), after func()) (Status, flow) {
	f := r.enter()
	defer r.leave(f)
	for range maxRounds {
		switch more() {
		case Failure:
			return Success, next
		case Maybe:
			return r.unsureLoop(at, body)
		default:
		}
		if _, f := r.body(body); f != next {
			return Maybe, f
		} else if r.broke() {
			return Success, next
		}
		after()
	}
	r.steps = maxSteps + 1
	return Maybe, exits
}

// body follows one round; broke tells of a break in it.
func (r *run) body(body func() (Status, flow)) (Status, flow) {
	status, f := body()
	switch f {
	case breaks:
		r.frames[len(r.frames)-1].left[""] = 1
		return status, next
	case continues:
		return status, next
	default:
	}
	return status, f
}

func (r *run) broke() bool {
	left := r.frames[len(r.frames)-1].left
	_, broke := left[""]
	delete(left, "")
	return broke
}

// unsureLoop follows a body once, after a trial that shows what it changes.
func (r *run) unsureLoop(at Place, body func() (Status, flow)) (Status, flow) {
	base := r.scope
	host := r.host
	r.host = silent{host}
	r.scope = base.child()
	body()
	changed := r.scope.vars
	trial := r.scope
	r.scope, r.host = base, host
	if !slices.Equal(trial.positional, base.positional) || !trial.knownArgs {
		base.knownArgs = false
	}
	for name := range changed {
		r.doubt(name, at.Line, "changes in the loop in line %d")
	}
	if trial.process.Dir != base.process.Dir {
		r.scope.process.Dir = Word{Unknown: fmt.Sprintf("the directory changes in the loop in line %d", at.Line)}
	}
	r.maybe = append(r.maybe, fmt.Sprintf("the loop in line %d", at.Line))
	_, _ = r.body(body) // a round may not have been run, so where it leads to is not known
	r.broke()
	r.maybe = r.maybe[:len(r.maybe)-1]
	return Maybe, next
}

// silent is a host that hears nothing of a trial.
type silent struct{ Host }

func (silent) Command(*Command) Status      { return Maybe }
func (silent) Remark(Place, string, string) {}
func (silent) Alternatives(_ Place, _ string, branches []func()) {
	for _, b := range branches {
		b()
	}
}

func (r *run) while(c *syntax.WhileClause) (Status, flow) {
	at := r.at(int(c.WhilePos.Line()))
	body := func() (Status, flow) { return r.stmts(c.Do) }
	if !c.Until && len(c.Cond) == 1 && forever(c.Cond[0]) {
		// A loop that starts a program again and again does what fcgisup does.
		f := r.enter()
		defer r.leave(f)
		r.unsureLoop(at, body)
		return Maybe, next
	}
	return r.loop(at, func() Status {
		status, f := r.stmts(c.Cond)
		if f != next {
			return Maybe
		}
		if c.Until && status != Maybe {
			status = Success + Failure - status
		}
		return status
	}, body, func() {})
}

func forever(s *syntax.Stmt) bool {
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || s.Negated || len(call.Args) == 0 {
		return false
	}
	word := call.Args[0].Lit()
	return word == "true" || word == ":" || (word == "[" || word == "test") && len(call.Args) > 1 && call.Args[1].Lit() == "1"
}

func (r *run) forClause(c *syntax.ForClause) (Status, flow) {
	at := r.at(int(c.ForPos.Line()))
	body := func() (Status, flow) { return r.stmts(c.Do) }
	switch l := c.Loop.(type) {
	case *syntax.WordIter:
		words, known := r.scope.positional, r.scope.knownArgs
		if l.InPos.IsValid() {
			words, known = r.fields(l.Items), true
		}
		splits := slices.ContainsFunc(words, func(w Word) bool { return w.Splits })
		if !known || c.Select || splits {
			return r.unsureFor(at, l.Name.Value, body)
		}
		i := 0
		return r.loop(at, func() Status {
			if i == len(words) {
				return Failure
			}
			r.assign(l.Name.Value, variable{word: words[i], set: true, line: at.Line})
			i++
			return Success
		}, body, func() {})
	case *syntax.CStyleLoop:
		if l.Init != nil {
			r.arithm(l.Init)
		}
		return r.loop(at, func() Status {
			if l.Cond == nil {
				return Maybe
			}
			return truth(r.arithm(l.Cond))
		}, body, func() {
			if l.Post != nil {
				r.arithm(l.Post)
			}
		})
	}
	return Maybe, next
}

func (r *run) unsureFor(at Place, name string, body func() (Status, flow)) (Status, flow) {
	f := r.enter()
	defer r.leave(f)
	return r.unsureLoop(at, func() (Status, flow) {
		r.doubt(name, at.Line, "is from a list that is not known, in line %d")
		return body()
	})
}
