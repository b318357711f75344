package shell

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// listOf are the words of $@, $* and ${array[@]}.
func (r *run) listOf(p *syntax.ParamExp) ([]Word, bool) {
	if p.Excl || p.Length || p.Slice != nil || p.Repl != nil || p.Exp != nil || p.Names != 0 {
		return nil, false
	}
	name, index := p.Param.Value, indexLiteral(p.Index)
	switch {
	case name == "@" || name == "*":
		if !r.scope.knownArgs {
			return []Word{{Unknown: "the arguments of the script are not known", Splits: true}}, true
		}
		return r.scope.positional, true
	case index == "@" || index == "*":
		if v, ok := r.lookup(name); ok && v.isList {
			return v.list, true
		}
	}
	return nil, false
}

// param is the value of ${…}, or the word that stands for it.
func (r *run) param(p *syntax.ParamExp) (Word, *syntax.Word) {
	name := p.Param.Value
	index := indexLiteral(p.Index)
	if p.Excl || p.Length || p.Width || p.Slice != nil || p.Repl != nil || p.Names != 0 || p.Index != nil && index == "" {
		return Word{Unknown: sourceOf(p) + " is not evaluated"}, nil
	}
	w, set := r.variableValue(name, index)
	if p.Exp == nil {
		return w, nil
	}
	null := set && w.OK() && w.Text == ""
	switch op := p.Exp.Op; op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
		if set && !(null && (op == syntax.DefaultUnsetOrNull || op == syntax.AssignUnsetOrNull)) {
			return w, nil
		}
		value := r.value(p.Exp.Word)
		if !set && value.OK() {
			r.remark(r.place(p), "$"+name, "is taken to be "+shown(value.Text)+", its default here; the environment, or a file that the script reads, may set it")
		}
		if op == syntax.AssignUnset || op == syntax.AssignUnsetOrNull {
			r.assign(name, variable{word: value, set: true, line: int(p.Pos().Line())})
			return value, nil
		}
		return Word{}, orEmpty(p.Exp.Word)
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		switch {
		case !set || !w.OK() && op == syntax.AlternateUnsetOrNull:
			return w, nil
		case null && op == syntax.AlternateUnsetOrNull:
			return Word{}, nil
		}
		return Word{}, orEmpty(p.Exp.Word)
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return w, nil
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return r.trim(w, op, r.patternOf(p.Exp.Word)), nil
	default:
	}
	return Word{Unknown: sourceOf(p) + " is not evaluated"}, nil
}

// orEmpty is a word, if only one without parts.
func orEmpty(w *syntax.Word) *syntax.Word {
	if w == nil {
		return &syntax.Word{}
	}
	return w
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

// variableValue is that of a variable or a special parameter; set reports whether the script has set it.
func (r *run) variableValue(name, index string) (w Word, set bool) {
	if n, err := strconv.Atoi(name); err == nil {
		switch {
		case n == 0 && r.path != "":
			return Known(r.path), true
		case n == 0 || !r.scope.knownArgs:
			return Word{Unknown: "$" + name + " is an argument of the script"}, false
		case n <= len(r.scope.positional):
			return r.scope.positional[n-1], true
		}
		return Word{}, true
	}
	if name == "#" && r.scope.knownArgs {
		return Known(strconv.Itoa(len(r.scope.positional))), true
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
