package shell

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// flow is where the script goes after a statement.
type flow int

const (
	next flow = iota
	continues
	breaks
	returns
	exits
)

func (r *run) stmts(all []*syntax.Stmt) (Status, flow) {
	status := Success
	for _, s := range all {
		var f flow
		if status, f = r.stmt(s); f != next {
			return status, f
		}
	}
	return status, next
}

func (r *run) stmt(s *syntax.Stmt) (Status, flow) {
	r.steps++
	if r.exhausted() || r.depth >= maxDepth {
		r.steps = maxSteps + 1
		return Maybe, exits
	}
	r.depth++
	defer func() { r.depth-- }()
	if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) == 1 && call.Args[0].Lit() == "exec" {
		r.redirections(s.Redirs)
	}
	started := r.host.Started()
	defer func() {
		if r.host.Started() > started {
			r.redirections(s.Redirs)
		}
	}()
	if s.Background || s.Coprocess {
		r.subshell(func() { r.command(s) })
		return Success, next
	}
	status, f := r.command(s)
	if s.Negated {
		status = [...]Status{Maybe: Maybe, Success: Failure, Failure: Success}[status]
	}
	return status, f
}

func (r *run) command(s *syntax.Stmt) (Status, flow) {
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return r.call(c)
	case *syntax.Block:
		return r.stmts(c.Stmts)
	case *syntax.Subshell:
		return r.subshell(func() { r.stmts(c.Stmts) }), next
	case *syntax.IfClause:
		return r.ifClause(c)
	case *syntax.WhileClause:
		return r.while(c)
	case *syntax.ForClause:
		return r.forClause(c)
	case *syntax.CaseClause:
		return r.caseClause(c)
	case *syntax.BinaryCmd:
		return r.binary(c)
	case *syntax.FuncDecl:
		r.funcs[c.Name.Value] = c.Body
	case *syntax.DeclClause:
		r.declare(c)
	case *syntax.ArithmCmd:
		return truth(r.arithm(c.X)), next
	case *syntax.LetClause:
		for _, x := range c.Exprs {
			r.arithm(x)
		}
	case *syntax.TestClause:
		return r.testExpr(c.X), next
	case *syntax.TimeClause:
		if c.Stmt != nil {
			return r.stmt(c.Stmt)
		}
	case *syntax.CoprocClause:
		r.subshell(func() { r.stmt(c.Stmt) })
	}
	return Success, next
}

// subshell follows what changes nothing outside.
func (r *run) subshell(body func()) Status {
	r.scope = &scope{parent: r.scope, vars: map[string]variable{}, process: r.scope.process}
	frames := r.frames
	r.frames = []*frame{{left: map[string]int{}}}
	body()
	r.frames = frames
	r.scope = r.scope.parent
	return Maybe
}

// redirections reports files that output goes to, or input comes from.
func (r *run) redirections(all []*syntax.Redirect) {
	for _, d := range all {
		at := r.place(d)
		switch d.Op {
		case syntax.DplIn, syntax.DplOut:
			continue
		case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
			r.remark(at, d.Op.String(), "has no counterpart: a program's standard input is the socket")
			continue
		}
		w := r.value(d.Word)
		name := w.Text
		if !w.OK() {
			name = "a file"
		}
		switch {
		case name == "/dev/null":
		case d.Op == syntax.RdrIn || d.Op == syntax.RdrInOut:
			r.remark(at, d.Op.String(), name+" has no counterpart: a program's standard input is the socket")
		default:
			r.remark(at, d.Op.String(), "has no counterpart: what a program prints is in the journal, not in "+name)
		}
	}
}

func (r *run) remark(at Place, directive, text string) {
	if r.quiet == 0 {
		r.host.Remark(at, directive, text)
	}
}

func (r *run) ifClause(c *syntax.IfClause) (Status, flow) {
	if !c.ThenPos.IsValid() { // the else
		return r.stmts(c.Then)
	}
	status, f := r.stmts(c.Cond)
	if f != next {
		return status, f
	}
	otherwise := func() (Status, flow) {
		if c.Else == nil {
			return Success, next
		}
		return r.ifClause(c.Else)
	}
	switch status {
	case Success:
		return r.stmts(c.Then)
	case Failure:
		return otherwise()
	}
	return r.either(r.at(int(c.Position.Line())), "the condition in line %d", func() (Status, flow) { return r.stmts(c.Then) }, otherwise)
}

func (r *run) binary(c *syntax.BinaryCmd) (Status, flow) {
	if c.Op == syntax.Pipe || c.Op == syntax.PipeAll {
		started := r.host.Started()
		r.subshell(func() { r.stmt(c.X) })
		if r.host.Started() > started {
			r.remark(r.place(c.Y), "|", "has no counterpart: what a program prints is in the journal")
		}
		r.subshell(func() { r.stmt(c.Y) })
		return Maybe, next
	}
	status, f := r.stmt(c.X)
	if f != next {
		return status, f
	}
	skip := Failure
	if c.Op == syntax.OrStmt {
		skip = Success
	}
	switch status {
	case skip:
		return status, next
	case Maybe:
		_, f = r.either(r.place(c.X), "the command before it in line %d", func() (Status, flow) { return r.stmt(c.Y) },
			func() (Status, flow) { return skip, next })
		return Maybe, f
	}
	return r.stmt(c.Y)
}

// either follows branches of which it is not known which one runs, and goes on with what they have in common.
func (r *run) either(at Place, why string, branches ...func() (Status, flow)) (Status, flow) {
	base := r.scope
	type end struct {
		scope  *scope
		status Status
		flow   flow
	}
	var ends []end
	var follow []func()
	r.maybe = append(r.maybe, fmt.Sprintf(why, at.Line))
	for _, branch := range branches {
		follow = append(follow, func() {
			r.scope = &scope{parent: base, vars: map[string]variable{}, process: base.process}
			status, f := branch()
			ends = append(ends, end{r.scope, status, f})
			r.scope = base
		})
	}
	r.host.Alternatives(at, r.maybe[len(r.maybe)-1], follow)
	r.maybe = r.maybe[:len(r.maybe)-1]
	var alive []*scope
	status, out := Status(-1), exits
	for _, e := range ends {
		switch {
		case e.flow == next:
			alive = append(alive, e.scope)
			if status == -1 {
				status = e.status
			} else if status != e.status {
				status = Maybe
			}
		case e.flow != exits:
			r.frames[len(r.frames)-1].early = true
			for name := range e.scope.vars {
				r.frames[len(r.frames)-1].left[name] = at.Line
			}
			out = min(out, e.flow)
		}
	}
	if len(alive) == 0 {
		return Maybe, out
	}
	r.join(at.Line, alive)
	return status, next
}

// join sets what all branches agree on; the rest is not known from here.
func (r *run) join(line int, alive []*scope) {
	if len(alive) == 1 {
		maps.Copy(r.scope.vars, alive[0].vars)
		r.scope.process = alive[0].process
		return
	}
	names := map[string]bool{}
	for _, s := range alive {
		for name := range s.vars {
			names[name] = true
		}
	}
	for name := range names {
		first, differs := variable{}, false
		for i, s := range alive {
			v, ok := s.vars[name]
			if !ok {
				v, _ = r.lookup(name)
			}
			if i == 0 {
				first = v
			}
			differs = differs || !first.same(v)
		}
		if differs {
			r.doubt(name, line, "is set in one way or another after line %d, and which way is not known here")
		} else {
			r.scope.vars[name] = first
		}
	}
	p := alive[0].process
	for _, s := range alive[1:] {
		if s.process.Dir != p.Dir {
			p.Dir = Word{Unknown: fmt.Sprintf("the directory after line %d depends on a condition", line)}
		}
		if s.process.Umask != p.Umask {
			p.Umask = Word{Unknown: fmt.Sprintf("the umask after line %d depends on a condition", line)}
		}
		if !maps.Equal(s.process.Limits, p.Limits) {
			r.remark(r.at(line), "ulimit", "depends on a condition: left out")
			p.Limits = r.scope.process.Limits
		}
	}
	r.scope.process = p
}

func (v variable) same(o variable) bool {
	return v.set == o.set && v.exported == o.exported && v.isList == o.isList && v.word == o.word && slices.Equal(v.list, o.list)
}

// doubt makes a variable unknown; why has a %d for the line.
func (r *run) doubt(name string, line int, why string) {
	before, _ := r.lookup(name)
	r.scope.vars[name] = variable{word: Word{Unknown: "$" + name + " " + fmt.Sprintf(why, line)}, set: true, exported: before.exported}
}

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
	r.scope = &scope{parent: base, vars: map[string]variable{}, process: base.process}
	body()
	changed := r.scope.vars
	dir := r.scope.process.Dir
	r.scope, r.host = base, host
	for name := range changed {
		r.doubt(name, at.Line, "changes in the loop in line %d")
	}
	if dir != base.process.Dir {
		r.scope.process.Dir = Word{Unknown: fmt.Sprintf("the directory changes in the loop in line %d", at.Line)}
	}
	r.maybe = append(r.maybe, fmt.Sprintf("the loop in line %d", at.Line))
	_, f := r.body(body)
	r.broke()
	r.maybe = r.maybe[:len(r.maybe)-1]
	if f == exits || f == returns {
		return Maybe, next // a round may not have been run
	}
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
		words, known := r.positional, r.knownArgs
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

func (r *run) caseClause(c *syntax.CaseClause) (Status, flow) {
	at := r.at(int(c.Case.Line()))
	subject := r.value(c.Word)
	var branches []func() (Status, flow)
	for i, item := range c.Items {
		matches := Failure
		for _, p := range item.Patterns {
			switch m := r.matches(subject, p); {
			case m == Success:
				matches = Success
			case m == Maybe && matches == Failure:
				matches = Maybe
			}
		}
		if matches == Failure {
			continue
		}
		branches = append(branches, func() (Status, flow) { return r.items(c.Items[i:]) })
		if matches == Success {
			if len(branches) == 1 {
				return branches[0]()
			}
			return r.either(at, "the case in line %d", branches...)
		}
	}
	if len(branches) == 0 {
		return Success, next
	}
	branches = append(branches, func() (Status, flow) { return Success, next })
	return r.either(at, "the case in line %d", branches...)
}

// items follows one of case, and those that it falls through to.
func (r *run) items(all []*syntax.CaseItem) (Status, flow) {
	for i, item := range all {
		status, f := r.stmts(item.Stmts)
		if f != next || item.Op != syntax.Fallthrough || i+1 == len(all) {
			return status, f
		}
	}
	return Success, next
}

// call follows a simple command.
func (r *run) call(c *syntax.CallExpr) (Status, flow) {
	argv := r.fields(c.Args)
	var assigns []Assign
	for _, a := range c.Assigns {
		if len(argv) == 0 {
			r.assignment(a, false)
		} else if a.Name != nil && a.Value != nil {
			assigns = append(assigns, Assign{a.Name.Value, r.value(a.Value)})
		}
	}
	if len(argv) == 0 {
		return Success, next
	}
	return r.simple(r.place(c), argv, assigns)
}

func (r *run) simple(at Place, argv []Word, assigns []Assign) (Status, flow) {
	name := argv[0]
	if name.OK() {
		if body := r.funcs[name.Text]; body != nil {
			return r.function(body, argv[1:], assigns)
		}
		if do, ok := builtins[name.Text]; ok {
			return do(r, at, argv, assigns)
		}
		if strings.HasPrefix(name.Text, "log_") {
			return Success, next
		}
	}
	return r.host.Command(&Command{At: at, Argv: argv, Assigns: assigns, Quiet: r.quiet > 0, Maybe: strings.Join(r.maybe, ", "), run: r}), next
}

func (r *run) function(body *syntax.Stmt, args []Word, assigns []Assign) (Status, flow) {
	positional, known := r.positional, r.knownArgs
	r.positional, r.knownArgs = args, !slices.ContainsFunc(args, func(w Word) bool { return w.Splits })
	for _, a := range assigns {
		r.assign(a.Name, variable{word: a.Value, set: true, exported: true})
	}
	f := r.enter()
	f.loop = false
	status, way := r.stmt(body)
	r.leave(f)
	if f.early {
		status = Maybe
	}
	for name, v := range f.locals {
		r.scope.vars[name] = v
	}
	r.positional, r.knownArgs = positional, known
	if way != exits {
		way = next
	}
	return status, way
}
