package shell

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

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
		b.unknown(w.Unknown, !quoted || w.Splits)
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
			w, instead := r.param(part)
			if instead != nil {
				// What stands for the value keeps its own quotes.
				b.open = b.open || quoted
				r.parts(b, instead.Parts, quoted)
				continue
			}
			b.add(w, quoted)
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
