package shell

import (
	"path"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

type builtin func(r *run, at Place, argv []Word, assigns []Assign) (Status, flow)

// builtins are the shell's own commands, and those that only report or ask.
var builtins map[string]builtin

func init() {
	leave := func(f flow) builtin {
		return func(_ *run, _ Place, argv []Word, _ []Assign) (Status, flow) {
			if len(argv) > 1 && argv[1].OK() {
				return status(argv[1].Text == "0"), f
			}
			return Maybe, f
		}
	}
	ends := func(s Status) builtin {
		return func(*run, Place, []Word, []Assign) (Status, flow) { return s, next }
	}
	builtins = map[string]builtin{
		":": ends(Success), "true": ends(Success), "false": ends(Failure), "echo": ends(Success), "printf": ends(Success),
		"sleep": ends(Maybe), "wait": ends(Maybe), "kill": ends(Maybe), "type": ends(Maybe), "hash": ends(Maybe), "jobs": ends(Maybe),
		"which": ends(Maybe), "logger": ends(Maybe), "times": ends(Success), "shopt": ends(Maybe),
		"exit": leave(exits), "return": leave(returns), "break": leave(breaks), "continue": leave(continues),
		"[": bracket, "test": test, "cd": cd, "pushd": cd, "umask": umask, "ulimit": ulimit, "eval": eval, "exec": exec, "command": command, "builtin": command,
		".": source, "source": source, "set": set, "shift": shift, "unset": unset, "read": read, "getopts": read, "mapfile": read, "readarray": read,
	}
}

func bracket(r *run, _ Place, argv []Word, _ []Assign) (Status, flow) {
	words := argv[1:]
	if n := len(words); n > 0 && words[n-1].Text == "]" {
		words = words[:n-1]
	}
	return r.test(words), next
}

func test(r *run, _ Place, argv []Word, _ []Assign) (Status, flow) { return r.test(argv[1:]), next }

func cd(r *run, at Place, argv []Word, _ []Assign) (Status, flow) {
	args := argv[1:]
	for len(args) > 0 && args[0].OK() && (args[0].Text == "--" || args[0].Text == "-P" || args[0].Text == "-L") {
		args = args[1:]
	}
	dir := Word{Unknown: "cd in line " + strconv.Itoa(at.Line) + " leads to a home directory"}
	if len(args) > 0 {
		dir = args[0]
	}
	before := r.scope.process.Dir
	switch {
	case !dir.OK():
	case path.IsAbs(dir.Text):
		dir.Text = path.Clean(dir.Text)
	case dir.Text == "-" || before.Text == "" || !before.OK():
		dir = Word{Unknown: "cd " + dir.Text + " in line " + strconv.Itoa(at.Line) + " depends on the directory before it"}
	default:
		dir.Text = path.Join(before.Text, dir.Text)
	}
	dir.Splits = false
	r.scope.process.Dir = dir
	return Success, next // a script whose directory is missing does not work anyway
}

func umask(r *run, at Place, argv []Word, _ []Assign) (Status, flow) {
	if len(argv) == 2 {
		r.scope.process.Umask = argv[1]
		if _, err := strconv.ParseUint(argv[1].Text, 8, 16); err != nil || !argv[1].OK() {
			r.scope.process.Umask = Word{}
			r.remark(at, "umask", "is not an octal number: left out")
		}
	}
	return Success, next
}

// ulimit takes -n 1024 and the like; without -S or -H both limits are set.
func ulimit(r *run, at Place, argv []Word, _ []Assign) (Status, flow) {
	letter := byte('f')
	soft := false
	for _, w := range argv[1:] {
		switch {
		case !w.OK():
			r.remark(at, "ulimit", w.Unknown+": left out")
			return Success, next
		case strings.HasPrefix(w.Text, "-"):
			for i := 1; i < len(w.Text); i++ {
				if c := w.Text[i]; c == 'S' || c == 'H' {
					soft = true
				} else {
					letter = c
				}
			}
		case soft:
			r.remark(at, "ulimit", "sets one of both limits: systemd: {service: …} of an app can, "+w.Text+" is left out")
		default:
			limits := map[byte]Word{}
			for k, v := range r.scope.process.Limits {
				limits[k] = v
			}
			limits[letter] = w
			r.scope.process.Limits = limits
		}
	}
	return Success, next
}

func eval(r *run, at Place, argv []Word, _ []Assign) (Status, flow) {
	text := ""
	for i, w := range argv[1:] {
		if !w.OK() {
			// It may set any variable, and start something.
			for name := range r.scope.all() {
				r.doubt(name, at.Line, "may be set by eval in line %d")
			}
			return r.host.Command(&Command{At: at, Argv: argv, Quiet: r.quiet > 0, Maybe: strings.Join(r.doubts(), ", "), run: r}), next
		}
		if i > 0 {
			text += " "
		}
		text += w.Text
		r.bytes += len(w.Text)
		if len(text) > maxText {
			return Maybe, next
		}
	}
	file, err := r.parse([]byte(text))
	if err != nil || r.depth >= maxDepth {
		r.remark(at, "eval", "is not understood")
		return Maybe, next
	}
	fixed := r.fixed
	defer func() { r.fixed = fixed }()
	r.fixed = &at
	return r.stmts(file.Stmts)
}

func exec(r *run, at Place, argv []Word, assigns []Assign) (Status, flow) {
	args := argv[1:]
	for len(args) > 0 && args[0].OK() && strings.HasPrefix(args[0].Text, "-") {
		if args[0].Text == "-a" && len(args) > 1 {
			args = args[1:] // another name for $0
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return Success, next // only redirections
	}
	status, _ := r.simple(at, args, assigns)
	return status, exits
}

// command runs a command, not a function of that name.
func command(r *run, at Place, argv []Word, assigns []Assign) (Status, flow) {
	if len(argv) < 2 || argv[1].OK() && strings.HasPrefix(argv[1].Text, "-") {
		return Maybe, next // -v asks where it is
	}
	if do, ok := builtins[argv[1].Text]; ok && argv[1].OK() {
		return do(r, at, argv[1:], assigns)
	}
	return r.host.Command(&Command{At: at, Argv: argv[1:], Assigns: assigns, Quiet: r.quiet > 0, Maybe: strings.Join(r.doubts(), ", "), run: r}), next
}

// source follows another file, if it is lent.
func source(r *run, at Place, argv []Word, _ []Assign) (Status, flow) {
	if len(argv) < 2 {
		return Maybe, next
	}
	if !argv[1].OK() {
		r.remark(at, argv[0].Text, argv[1].Unknown+": the file is read by the script, not by import: what it sets is not known here")
		return Maybe, next
	}
	name, data, ok := r.host.File(argv[1].Text)
	if !ok {
		// Debian's functions for init scripts set nothing that a program is started with.
		if !strings.HasPrefix(argv[1].Text, "/lib/lsb/") && !strings.HasPrefix(argv[1].Text, "/lib/init/") {
			r.remark(at, argv[1].Text, "is read by the script, not by import: what it sets is not known here; give it as an argument too")
		}
		return Maybe, next
	}
	file, fixed := r.file, r.fixed
	defer func() { r.file, r.fixed = file, fixed }()
	r.file, r.fixed = name, nil
	parsed, err := r.parse(data)
	if err != nil {
		r.host.Remark(at, argv[1].Text, err.Error())
		return Maybe, next
	}
	status, f := r.stmts(parsed.Stmts)
	if f == returns {
		f = next
	}
	return status, f
}

func set(r *run, _ Place, argv []Word, _ []Assign) (Status, flow) {
	for i, w := range argv[1:] {
		switch {
		case w.OK() && w.Text == "--":
			r.scope.positional, r.scope.knownArgs = argv[i+2:], true
			for _, p := range r.scope.positional {
				r.scope.knownArgs = r.scope.knownArgs && !p.Splits
			}
			return Success, next
		case w.OK() && (strings.HasPrefix(w.Text, "-") && strings.Contains(w.Text, "a") || w.Text == "allexport"):
			r.allExport = true
		case w.OK() && w.Text == "+a":
			r.allExport = false
		}
	}
	return Success, next
}

func shift(r *run, _ Place, argv []Word, _ []Assign) (Status, flow) {
	n := 1
	if len(argv) > 1 {
		var err error
		if n, err = strconv.Atoi(argv[1].Text); err != nil {
			r.scope.knownArgs = false
		}
	}
	if n < 0 || n > len(r.scope.positional) {
		return Failure, next
	}
	r.scope.positional = r.scope.positional[n:]
	return Success, next
}

func unset(r *run, _ Place, argv []Word, _ []Assign) (Status, flow) {
	for _, w := range argv[1:] {
		if w.OK() && !strings.HasPrefix(w.Text, "-") {
			r.scope.vars[w.Text] = variable{}
		}
	}
	return Success, next
}

// read sets variables from outside.
func read(r *run, at Place, argv []Word, _ []Assign) (Status, flow) {
	for _, w := range argv[1:] {
		if w.OK() && syntax.ValidName(w.Text) {
			r.doubt(w.Text, at.Line, "is read in line %d")
		}
	}
	return Maybe, next
}

// declare is export, local, readonly, declare.
func (r *run) declare(c *syntax.DeclClause) {
	export, local := c.Variant.Value == "export", c.Variant.Value == "local"
	for _, a := range c.Args {
		if a.Name == nil {
			if a.Value != nil && a.Value.Lit() == "-x" {
				export = true
			}
			continue
		}
		if local || c.Variant.Value != "export" && c.Variant.Value != "readonly" {
			f := r.frames[len(r.frames)-1]
			if _, again := f.locals[a.Name.Value]; !again && f.locals != nil {
				f.locals[a.Name.Value], _ = r.lookup(a.Name.Value)
			}
		}
		r.assignment(a, export)
	}
}

func (r *run) assignment(a *syntax.Assign, export bool) {
	if a.Name == nil {
		return
	}
	name, line := a.Name.Value, int(a.Pos().Line())
	before, known := r.lookup(name)
	v := variable{set: true, exported: export, line: line}
	switch {
	case a.Naked:
		if !known {
			if !export {
				return
			}
			v.word = Word{Unknown: "$" + name + " is not set in the script"}
			r.assign(name, v)
			return
		}
		v = before
		v.exported = before.exported || export
	case a.Index != nil:
		v.word = Word{Unknown: "$" + name + " is a list whose elements are set one by one"}
	case a.Array != nil:
		v.isList = true
		if a.Append {
			v.list = append(v.list, before.list...)
		}
		for _, e := range a.Array.Elems {
			if e.Value != nil {
				v.list = append(v.list, r.fields([]*syntax.Word{e.Value})...)
			}
		}
		if r.bytes += 16 * len(v.list); len(v.list) > maxWords {
			v.list = []Word{{Unknown: "$" + name + " is a list of too many words", Splits: true}}
		}
	default:
		v.word = r.value(a.Value)
		if a.Append && (!known || !before.word.OK()) {
			v.word = Word{Unknown: "$" + name + " is not set in the script before line " + strconv.Itoa(line)}
		} else if a.Append && v.word.OK() {
			v.word.Text = before.word.Text + v.word.Text
		}
	}
	v.word.Splits = false
	r.assign(name, v)
}
