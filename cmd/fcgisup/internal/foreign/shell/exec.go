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
	if s.Background {
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
	r.scope = r.scope.child()
	frames := r.frames
	r.frames = []*frame{{left: map[string]int{}, doubts: r.doubts()}}
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
		default:
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
	default:
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
	default:
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
			r.scope = base.child()
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
	if out != exits || len(alive) < len(ends) {
		r.doubtRest(out == exits, fmt.Sprintf(why, at.Line))
	}
	r.join(at.Line, alive)
	return status, next
}

// maxDoubts bounds the conditions that are reported of a command.
const maxDoubts = 8

// doubtRest remembers that what follows, up to the end of the function or of the script, depends on a condition.
func (r *run) doubtRest(script bool, why string) {
	f := r.frames[len(r.frames)-1]
	if script {
		f = r.frames[0]
	}
	if len(f.doubts) < maxDoubts && !slices.Contains(f.doubts, why) {
		f.doubts = append(f.doubts, why)
	}
}

// doubts are the conditions that a command here depends on.
func (r *run) doubts() []string {
	var all []string
	for _, f := range r.frames {
		all = append(all, f.doubts...)
	}
	for _, why := range r.maybe {
		if !slices.Contains(all, why) {
			all = append(all, why)
		}
	}
	return all[:min(len(all), maxDoubts)]
}

// join sets what all branches agree on; the rest is not known from here.
func (r *run) join(line int, alive []*scope) {
	if len(alive) == 1 {
		maps.Copy(r.scope.vars, alive[0].vars)
		r.scope.process, r.scope.positional, r.scope.knownArgs = alive[0].process, alive[0].positional, alive[0].knownArgs
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
	r.scope.positional, r.scope.knownArgs = alive[0].positional, alive[0].knownArgs
	for _, s := range alive[1:] {
		r.scope.knownArgs = r.scope.knownArgs && s.knownArgs && slices.Equal(s.positional, r.scope.positional)
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
	return r.host.Command(&Command{At: at, Argv: argv, Assigns: assigns, Quiet: r.quiet > 0, Maybe: strings.Join(r.doubts(), ", "), run: r}), next
}

func (r *run) function(body *syntax.Stmt, args []Word, assigns []Assign) (Status, flow) {
	positional, known := r.scope.positional, r.scope.knownArgs
	r.scope.positional, r.scope.knownArgs = args, !slices.ContainsFunc(args, func(w Word) bool { return w.Splits })
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
	r.scope.positional, r.scope.knownArgs = positional, known
	if way != exits {
		way = next
	}
	return status, way
}
