package shell

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// builder makes words of the parts of one.
type builder struct {
	run   *run
	done  []Word
	word  Word
	open  bool // there is a word, if only an empty one in quotes
	whole bool // nothing is split
}

func (b *builder) text(s string) {
	b.open = true
	b.run.bytes += len(s)
	if len(b.word.Text)+len(s) > maxText || b.run.exhausted() {
		b.unknown(fmt.Sprintf("a word longer than %d KiB", maxText>>10), false)
		return
	}
	b.word.Text += s
}

func (b *builder) unknown(why string, splits bool) {
	b.open = true
	if b.word.Unknown == "" {
		b.word.Unknown = why
	}
	b.word.Splits = b.word.Splits || splits && !b.whole
}

func (b *builder) end() {
	if b.open {
		b.done = append(b.done, b.word)
	}
	b.word, b.open = Word{}, false
}

// add appends what an expansion gave: unquoted, it is split.
func (b *builder) add(w Word, quoted bool) {
	switch {
	case !w.OK():
		b.unknown(w.Unknown, !quoted)
	case quoted || b.whole:
		b.text(w.Text)
	default:
		if v, ok := b.run.lookup("IFS"); ok && v.set && w.Text != "" {
			b.unknown("splits by $IFS, which the script sets", true)
			return
		}
		for i, field := range strings.FieldsFunc(w.Text, isBlank) {
			if i > 0 || isBlank(rune(w.Text[0])) {
				b.end()
			}
			b.text(field)
			if b.run.pattern(field) {
				b.unknown(field+" is a pattern of file names", true)
			}
		}
		if w.Text != "" && isBlank(rune(w.Text[len(w.Text)-1])) {
			b.end()
		}
	}
}

func isBlank(c rune) bool { return c == ' ' || c == '\t' || c == '\n' }

// pattern reports whether unquoted text is expanded to names of files.
func (*run) pattern(s string) bool {
	i := strings.IndexByte(s, '[')
	return strings.ContainsAny(s, "*?") || i >= 0 && strings.IndexByte(s[i:], ']') > 1
}

// fields are the words of a command, expanded and split.
func (r *run) fields(words []*syntax.Word) []Word {
	b := &builder{run: r}
	for _, w := range words {
		for _, w := range r.braced(w) {
			r.parts(b, w.Parts, false)
			b.end()
		}
	}
	return b.done
}

// braced expands {a,b} and {1..3} where the shell does.
func (r *run) braced(w *syntax.Word) []*syntax.Word {
	if !r.braces {
		return []*syntax.Word{w}
	}
	text := w.Lit()
	if m := sequence().FindStringSubmatch(text); m != nil {
		from, errA := strconv.Atoi(m[2])
		to, errB := strconv.Atoi(m[3])
		step := 1
		if from > to {
			step = -1
		}
		if n := (to - from) * step; errA == nil && errB == nil && n >= 0 && n < maxRounds {
			var all []*syntax.Word
			for i := from; i != to+step; i += step {
				lit := *w.Parts[0].(*syntax.Lit)
				lit.Value = m[1] + strconv.Itoa(i) + m[4]
				all = append(all, &syntax.Word{Parts: []syntax.WordPart{&lit}})
			}
			return all
		}
	}
	return []*syntax.Word{w}
}

var (
	sequence = lazy(`^([^{}$]*)\{([0-9]{1,6})\.\.([0-9]{1,6})\}([^{}$]*)$`)
	bracesIn = lazy(`\{[^{}]*(,|\.\.)[^{}]*\}`)
)

// value is a word that is not split: the right side of an assignment.
func (r *run) value(w *syntax.Word) Word {
	if w == nil {
		return Word{}
	}
	b := &builder{run: r, whole: true}
	r.parts(b, w.Parts, false)
	return b.word
}

func (r *run) parts(b *builder, parts []syntax.WordPart, quoted bool) {
	for i, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			r.literal(b, part.Value, quoted, i == 0 && !b.open)
		case *syntax.SglQuoted:
			if part.Dollar && strings.Contains(part.Value, `\`) {
				b.unknown("$'…' with a backslash is not read", false)
			} else {
				b.text(part.Value)
			}
		case *syntax.DblQuoted:
			b.open = b.open || !hasList(part.Parts)
			r.parts(b, part.Parts, true)
		case *syntax.ParamExp:
			if list, ok := r.listOf(part); ok && !b.whole {
				for i, w := range list {
					if i > 0 {
						b.end()
					}
					b.open = b.open || quoted
					b.add(w, quoted)
				}
				continue
			}
			b.add(r.param(part), quoted)
		case *syntax.CmdSubst:
			b.add(r.substitute(part), quoted)
		case *syntax.ArithmExp:
			n, why := r.arithm(part.X)
			if why != "" {
				b.unknown(why, !quoted)
			} else {
				b.text(strconv.FormatInt(n, 10))
			}
		case *syntax.ProcSubst:
			r.quiet++
			r.subshell(func() { r.stmts(part.Stmts) })
			r.quiet--
			b.unknown("<(…) is a file that the shell makes", false)
		default:
			b.unknown("a pattern of file names", true)
		}
	}
}

// literal takes plain text: backslashes, ~ and patterns are the shell's.
func (r *run) literal(b *builder, s string, quoted, first bool) {
	if first && !quoted && strings.HasPrefix(s, "~") {
		b.unknown("~ is a home directory", false)
		return
	}
	if !quoted && !b.whole {
		bare := escaped().ReplaceAllString(s, "")
		if r.pattern(bare) || r.braces && bracesIn().MatchString(bare) {
			b.unknown(s+" is a pattern of file names", true)
			return
		}
	}
	if !strings.Contains(s, `\`) {
		b.text(s)
		return
	}
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		text.WriteByte(s[i])
	}
	b.text(text.String())
}

var escaped = lazy(`\\.`)

// hasList reports whether quotes hold "$@" alone, which may be no word.
func hasList(parts []syntax.WordPart) bool {
	if len(parts) != 1 {
		return false
	}
	p, ok := parts[0].(*syntax.ParamExp)
	return ok && (p.Param.Value == "@" || indexLiteral(p.Index) == "@")
}

func indexLiteral(x syntax.ArithmExpr) string {
	if w, ok := x.(*syntax.Word); ok {
		return w.Lit()
	}
	return ""
}

// listOf are the words of $@, $* and ${array[@]}.
func (r *run) listOf(p *syntax.ParamExp) ([]Word, bool) {
	if p.Excl || p.Length || p.Slice != nil || p.Repl != nil || p.Exp != nil || p.Names != 0 {
		return nil, false
	}
	name, index := p.Param.Value, indexLiteral(p.Index)
	switch {
	case name == "@" || name == "*":
		if !r.knownArgs {
			return []Word{{Unknown: "the arguments of the script are not known", Splits: true}}, true
		}
		return r.positional, true
	case index == "@" || index == "*":
		if v, ok := r.lookup(name); ok && v.isList {
			return v.list, true
		}
	}
	return nil, false
}

// param is the value of ${…}.
func (r *run) param(p *syntax.ParamExp) Word {
	name := p.Param.Value
	index := indexLiteral(p.Index)
	if p.Excl || p.Length || p.Width || p.Slice != nil || p.Repl != nil || p.Names != 0 || p.Index != nil && index == "" {
		return Word{Unknown: sourceOf(p) + " is not evaluated"}
	}
	w, set := r.variableValue(name, index)
	if p.Exp == nil {
		return w
	}
	null := set && w.OK() && w.Text == ""
	switch op := p.Exp.Op; op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
		if set && !(null && (op == syntax.DefaultUnsetOrNull || op == syntax.AssignUnsetOrNull)) {
			return w
		}
		value := r.value(p.Exp.Word)
		if !set && value.OK() {
			r.remark(r.place(p), "$"+name, "is taken to be "+shown(value.Text)+", its default here; the environment, or a file that the script reads, may set it")
		}
		if op == syntax.AssignUnset || op == syntax.AssignUnsetOrNull {
			r.assign(name, variable{word: value, set: true, line: int(p.Pos().Line())})
		}
		return value
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		switch {
		case !set || !w.OK() && op == syntax.AlternateUnsetOrNull:
			return w
		case null && op == syntax.AlternateUnsetOrNull:
			return Word{}
		}
		return r.value(p.Exp.Word)
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return w
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return r.trim(w, op, r.patternOf(p.Exp.Word))
	}
	return Word{Unknown: sourceOf(p) + " is not evaluated"}
}

// sourceOf is an expansion as it is written, shortened.
func sourceOf(n syntax.Node) string {
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, &syntax.Word{Parts: []syntax.WordPart{n.(syntax.WordPart)}}); err != nil {
		return "an expansion"
	}
	text, _, _ := strings.Cut(b.String(), "\n")
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return text
}

// shown is an empty text as two quotes.
func shown(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

// variableValue is that of a variable or a special parameter; set tells whether the script has set it.
func (r *run) variableValue(name, index string) (w Word, set bool) {
	if n, err := strconv.Atoi(name); err == nil {
		switch {
		case n == 0 && r.path != "":
			return Known(r.path), true
		case n == 0 || !r.knownArgs:
			return Word{Unknown: "$" + name + " is an argument of the script"}, false
		case n <= len(r.positional):
			return r.positional[n-1], true
		}
		return Word{}, true
	}
	if name == "#" && r.knownArgs {
		return Known(strconv.Itoa(len(r.positional))), true
	}
	v, ok := r.lookup(name)
	switch {
	case ok && v.isList:
		i, err := strconv.Atoi("0" + index)
		if err != nil || i >= len(v.list) {
			return Word{Unknown: "$" + name + " is a list"}, true
		}
		return v.list[i], true
	case ok && v.set:
		return v.word, true
	case ok:
		return Word{}, true // unset by the script
	case name == "PWD" && r.scope.process.Dir.OK() && r.scope.process.Dir.Text != "":
		return r.scope.process.Dir, true
	}
	return Word{Unknown: "$" + name + " is not set in the script"}, false
}

// patternOf is a pattern with the quoted parts taken as they are.
func (r *run) patternOf(w *syntax.Word) Word {
	if w == nil {
		return Word{}
	}
	b := &builder{run: r, whole: true}
	for _, part := range w.Parts {
		if l, ok := part.(*syntax.Lit); ok {
			b.text(l.Value)
			continue
		}
		inner := &builder{run: r, whole: true}
		r.parts(inner, []syntax.WordPart{part}, false)
		if !inner.word.OK() {
			b.unknown(inner.word.Unknown, false)
			continue
		}
		if _, bare := part.(*syntax.ParamExp); bare {
			b.text(inner.word.Text)
		} else {
			b.text(pattern.QuoteMeta(inner.word.Text, 0))
		}
	}
	return b.word
}

// maxTrimmed bounds the texts and patterns that ${X#…} and case are evaluated of.
const maxTrimmed = 4096

func (r *run) trim(w Word, op syntax.ParExpOperator, pat Word) Word {
	if !w.OK() || !pat.OK() {
		return Word{Unknown: w.Unknown + pat.Unknown}
	}
	mode := pattern.Mode(0)
	if op == syntax.RemSmallPrefix {
		mode = pattern.Shortest
	}
	expr, err := pattern.Regexp(pat.Text, mode)
	if err != nil || len(w.Text) > maxTrimmed || len(pat.Text) > maxTrimmed {
		return Word{Unknown: "${…" + op.String() + "…} is not evaluated"}
	}
	form := map[syntax.ParExpOperator]string{
		syntax.RemSmallPrefix: "^(?:%s)((?s).*)$", syntax.RemLargePrefix: "^(?:%s)((?s).*?)$",
		syntax.RemSmallSuffix: "^((?s).*)(?:%s)$", syntax.RemLargeSuffix: "^((?s).*?)(?:%s)$",
	}[op]
	re, err := regexp.Compile(fmt.Sprintf(form, expr))
	if err != nil {
		return Word{Unknown: "${…" + op.String() + "…} is not evaluated"}
	}
	r.steps++
	if m := re.FindStringSubmatch(w.Text); m != nil {
		return Known(m[1])
	}
	return w
}

// substitute evaluates $(…) of a few commands that depend on nothing outside.
func (r *run) substitute(c *syntax.CmdSubst) Word {
	name := "…"
	if len(c.Stmts) == 1 && !c.Stmts[0].Background && len(c.Stmts[0].Redirs) == 0 {
		if call, ok := c.Stmts[0].Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 && len(call.Assigns) == 0 {
			argv := r.fields(call.Args)
			if len(argv) > 0 {
				name = argv[0].Text
				if w, ok := r.pure(argv); ok {
					return w
				}
			}
		}
	}
	r.quiet++
	r.subshell(func() { r.stmts(c.Stmts) })
	r.quiet--
	return Word{Unknown: fmt.Sprintf("$(%s) in line %d is run by the script", name, r.at(int(c.Pos().Line())).Line)}
}

// pure evaluates commands without the machine.
func (r *run) pure(argv []Word) (Word, bool) {
	texts := make([]string, len(argv))
	for i, w := range argv {
		if !w.OK() {
			return Word{Unknown: w.Unknown}, purely[argv[0].Text]
		}
		texts[i] = w.Text
	}
	args := texts[1:]
	switch {
	case texts[0] == "echo":
		if len(args) > 0 && strings.HasPrefix(args[0], "-") || strings.Contains(strings.Join(args, ""), `\`) {
			return Word{}, false
		}
		return Known(strings.TrimRight(strings.Join(args, " "), "\n")), true
	case texts[0] == "printf" && len(args) == 2 && (args[0] == "%s" || args[0] == `%s\n`):
		return Known(strings.TrimRight(args[1], "\n")), true
	case texts[0] == "printf" && len(args) == 1 && !strings.ContainsAny(args[0], `%\`):
		return Known(args[0]), true
	case texts[0] == "basename" && len(args) >= 1 && len(args) <= 2 && !strings.HasPrefix(args[0], "-"):
		base := path.Base(args[0])
		if len(args) == 2 && base != args[1] {
			base = strings.TrimSuffix(base, args[1])
		}
		return Known(base), true
	case texts[0] == "dirname" && len(args) == 1:
		return Known(path.Dir(args[0])), true
	case texts[0] == "pwd" && len(args) == 0 && r.scope.process.Dir.Text != "":
		return r.scope.process.Dir, true
	case texts[0] == "seq":
		return r.seq(args)
	}
	return Word{}, false
}

var purely = map[string]bool{"echo": true, "printf": true, "basename": true, "dirname": true, "seq": true}

func (*run) seq(args []string) (Word, bool) {
	if len(args) == 0 || len(args) > 2 {
		return Word{}, false
	}
	from, to := 1, 0
	var err error
	if len(args) == 2 {
		if from, err = strconv.Atoi(args[0]); err != nil {
			return Word{}, false
		}
	}
	if to, err = strconv.Atoi(args[len(args)-1]); err != nil || to-from >= maxRounds {
		return Word{}, false
	}
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return Known(strings.Join(all, " ")), true
}

// lazy is compiled when it is first used: this package is in every supervisor, too, which imports nothing.
func lazy(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
