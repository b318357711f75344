package shell

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"mvdan.cc/sh/v3/syntax"
)

// Bounds of one script, its loops, functions and evaluated texts included.
const (
	// maxSource is the largest script; the parser's stack grows with what is nested in it.
	maxSource = 128 << 10
	// maxBrackets bounds how deep a script can be nested.
	maxBrackets = 10_000
	maxSteps    = 20_000
	maxDepth    = 64
	maxRounds   = 1000
	// maxText is the longest text of a variable or a word, half of what Linux takes as one argument.
	maxText = 64 << 10
	// maxWords bounds a list.
	maxWords = 10_000
	// maxTotal bounds all texts together.
	maxTotal = 16 << 20
)

// Word is a word of a command, as far as it is known.
type Word struct {
	Text string
	// Unknown says why the text is not known; it is empty if it is.
	Unknown string
	// Splits is set for an unknown word without quotes: it may be several words, or none.
	Splits bool
}

// Known is a word with this text.
func Known(text string) Word { return Word{Text: text} }

// OK reports whether the word's text is known.
func (w Word) OK() bool { return w.Unknown == "" }

// Place is where a command stands.
type Place struct {
	File string
	Line int
}

// Command is a simple command that is not a builtin of the shell.
type Command struct {
	At   Place
	Argv []Word
	// Assigns are the variables that stand before the command, in order.
	Assigns []Assign
	// Quiet is set within a substitution.
	Quiet bool
	// Maybe says on what it depends whether the command runs at all; empty: it runs.
	Maybe string
	run   *run
}

// Assign is one variable.
type Assign struct {
	Name  string
	Value Word
}

// Process is what a command inherits from the shell.
type Process struct {
	// Dir is the working directory; empty: the script has not changed it.
	Dir Word
	// Umask is empty if the script has not set it.
	Umask Word
	// Limits are those of ulimit, by option letter.
	Limits map[byte]Word
}

// Process is what the command inherits besides variables.
func (c *Command) Process() Process { return c.run.scope.process }

// Exported are the exported variables, without those that stand before the command itself.
func (c *Command) Exported() map[string]Word {
	all := map[string]Word{}
	for name, v := range c.run.scope.all() {
		if v.exported && v.set {
			all[name] = v.word
		}
	}
	return all
}

// Shell follows the text of sh -c in the command's place.
func (c *Command) Shell(text string, args []Word) error {
	return c.run.nested(c.At, text, args)
}

// Status is how a command ends.
type Status int

// The ends of a command.
const (
	Maybe Status = iota
	Success
	Failure
)

// Host is told what the script does.
type Host interface {
	// Command is told of each command, in order.
	Command(*Command) Status
	// Remark is told of what the script does besides, such as reading another file.
	Remark(at Place, directive, text string)
	// File lends a file that the script reads in place.
	File(path string) (name string, data []byte, ok bool)
	// Started counts the programs that matter to the host.
	Started() int
	// Alternatives is told when it is not known which of several branches run. Each function follows one.
	Alternatives(at Place, why string, branches []func())
}

// Script is what Run follows.
type Script struct {
	File string
	// Path is what $0 means; empty: not known.
	Path string
	Text []byte
	// At stands for every line, of a text that is not a file; nil: lines are counted.
	At *Place
	// Env are variables that are set from outside.
	Env map[string]string
	// Dir is the directory that it starts in.
	Dir string
	// Args are its arguments, of a text that is not a file.
	Args []Word
}

// ErrLimit is the error of a script that is too large to follow.
var ErrLimit = errors.New("is too large, or loops too long, to be followed")

// run is one script under way.
type run struct {
	host      Host
	file      string
	path      string
	fixed     *Place
	scope     *scope
	funcs     map[string]*syntax.Stmt
	braces    bool
	allExport bool
	quiet     int
	maybe     []string
	frames    []*frame
	depth     int
	steps     int
	bytes     int
}

// frame is a function call or a loop: where return or break lead to.
type frame struct {
	// left are variables set on a way that left early.
	left map[string]int
	// locals are restored when a function returns.
	locals map[string]variable
	// early is set if the function may have returned before: its status is not known.
	early bool
	loop  bool
	// doubts are the conditions under which it goes on so far.
	doubts []string
}

// newRun is a run before the first command.
func newRun(s Script, host Host) *run {
	r := &run{host: host, file: s.File, path: s.Path, fixed: s.At, funcs: map[string]*syntax.Stmt{}, frames: []*frame{{left: map[string]int{}}}}
	r.scope = &scope{vars: map[string]variable{}}
	for name, value := range s.Env {
		r.scope.vars[name] = variable{word: Known(value), set: true, exported: true}
	}
	if s.Dir != "" {
		r.scope.process.Dir = Known(s.Dir)
	}
	return r
}

// Run follows a script.
func Run(s Script, host Host) error {
	r := newRun(s, host)
	kind := interpreter(s.Text)
	r.braces = kind != "sh" && kind != "dash"
	file, err := r.parse(s.Text)
	if err != nil {
		return err
	}
	switch {
	case s.At != nil:
		r.scope.positional, r.scope.knownArgs = s.Args, true
	case isInit(file):
		r.scope.positional, r.scope.knownArgs = []Word{Known("start")}, true
	}
	r.stmts(file.Stmts)
	r.services(kind)
	if r.exhausted() {
		return ErrLimit
	}
	return nil
}

// parse reads a text; its size and nesting are bounded, since the parser is recursive.
func (r *run) parse(text []byte) (*syntax.File, error) {
	brackets := bytes.Count(text, []byte("(")) + bytes.Count(text, []byte("{")) + bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("`"))
	if len(text) > maxSource || brackets > maxBrackets {
		return nil, ErrLimit
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(endComments(text)), "")
	if err != nil {
		return nil, &SyntaxError{At: r.at(errorLine(err)), Err: err}
	}
	return file, nil
}

// SyntaxError is a text that the shell would not take, either.
type SyntaxError struct {
	At  Place
	Err error
}

func (e *SyntaxError) Error() string { return "cannot be read as a shell script: " + e.Err.Error() }
func (e *SyntaxError) Unwrap() error { return e.Err }

func errorLine(err error) int {
	var parse syntax.ParseError
	if errors.As(err, &parse) {
		return int(parse.Pos.Line())
	}
	var lang syntax.LangError
	if errors.As(err, &lang) {
		return int(lang.Pos.Line())
	}
	return 0
}

func (r *run) at(line int) Place {
	if r.fixed != nil {
		return *r.fixed
	}
	return Place{r.file, line}
}

func (r *run) place(n syntax.Node) Place { return r.at(int(n.Pos().Line())) }

func (r *run) exhausted() bool { return r.steps > maxSteps || r.bytes > maxTotal }

// nested follows a text in a shell of its own.
func (r *run) nested(at Place, text string, args []Word) error {
	if r.depth >= maxDepth {
		return ErrLimit
	}
	fixed, positional, known := r.fixed, r.scope.positional, r.scope.knownArgs
	defer func() { r.fixed, r.scope.positional, r.scope.knownArgs = fixed, positional, known }()
	r.fixed, r.scope.positional, r.scope.knownArgs = &at, args, true
	file, err := r.parse([]byte(text))
	if err != nil {
		return err
	}
	r.subshell(func() { r.stmts(file.Stmts) })
	return nil
}

// isInit reports whether a script is called with "start" as its argument.
func isInit(file *syntax.File) bool {
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CaseItem:
			for _, p := range n.Patterns {
				found = found || p.Lit() == "start" || p.Lit() == "stop"
			}
		case *syntax.CallExpr:
			if len(n.Args) > 0 && (n.Args[0].Lit() == "[" || n.Args[0].Lit() == "test") {
				for _, w := range n.Args {
					found = found || literal(w) == "start"
				}
			}
		}
		return !found
	})
	return found
}

// literal is the text of a word without expansions, quotes removed.
func literal(w *syntax.Word) string {
	text := ""
	for _, part := range w.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
			text += part.Value
		case *syntax.SglQuoted:
			text += part.Value
		case *syntax.DblQuoted:
			for _, inner := range part.Parts {
				if l, ok := inner.(*syntax.Lit); ok {
					text += l.Value
				}
			}
		}
	}
	return text
}

// Interpreter is the program that a #! line names: sh, bash, execlineb; empty without one.
func Interpreter(text []byte) string { return interpreter(text) }

func interpreter(text []byte) string {
	line, ok := bytes.CutPrefix(text, []byte("#!"))
	if !ok {
		return ""
	}
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	for _, field := range bytes.Fields(line) {
		base := string(field[bytes.LastIndexByte(field, '/')+1:])
		switch base {
		case "env", "with-contenv", "busybox", "-S":
			continue
		}
		return base
	}
	return "sh" // with-contenv of s6-overlay alone
}

// IsShell reports whether a #! line names an interpreter whose language Run follows.
func IsShell(name string) bool {
	switch name {
	case "", "sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "zsh", "openrc-run", "runscript", "init-d-script":
		return true
	}
	return false
}

// scope holds variables and process state; a branch and a subshell have one of their own above their parent's.
type scope struct {
	parent  *scope
	vars    map[string]variable
	process Process
	// positional are $1 and on; knownArgs is set if they are known.
	positional []Word
	knownArgs  bool
}

// child is a scope that begins as this one is.
func (s *scope) child() *scope {
	return &scope{parent: s, vars: map[string]variable{}, process: s.process, positional: s.positional, knownArgs: s.knownArgs}
}

// variable is one that the script sets, or removes.
type variable struct {
	word     Word
	list     []Word
	isList   bool
	set      bool
	exported bool
	line     int
}

func (s *scope) all() map[string]variable {
	var chain []*scope
	for ; s != nil; s = s.parent {
		chain = append(chain, s)
	}
	all := map[string]variable{}
	for i := len(chain) - 1; i >= 0; i-- {
		maps.Copy(all, chain[i].vars)
	}
	return all
}

func (r *run) lookup(name string) (variable, bool) {
	for s := r.scope; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return variable{}, false
}

func (r *run) assign(name string, v variable) {
	if len(v.word.Text) > maxText {
		v.word = Word{Unknown: fmt.Sprintf("$%s is longer than %d KiB", name, maxText>>10)}
	}
	if before, ok := r.lookup(name); ok && before.exported {
		v.exported = true
	}
	v.exported = v.exported || r.allExport
	r.bytes += len(v.word.Text)
	r.scope.vars[name] = v
}
