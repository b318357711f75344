package shell

import (
	"regexp"
	"slices"
	"strconv"

	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// test evaluates [ … ], as far as its words are known.
func (r *run) test(words []Word) Status {
	if slices.ContainsFunc(words, func(w Word) bool { return w.Splits }) {
		return Maybe
	}
	if len(words) > 4 {
		for _, op := range []string{"-o", "-a"} {
			for i := len(words) - 2; i > 0; i-- {
				if words[i].OK() && words[i].Text == op {
					return either(op == "-o", r.test(words[:i]), r.test(words[i+1:]))
				}
			}
		}
		return Maybe
	}
	switch len(words) {
	case 0:
		return Failure
	case 1:
		return r.unaryTest("-n", words[0])
	}
	if words[0].OK() && words[0].Text == "!" {
		return not(r.test(words[1:]))
	}
	switch {
	case len(words) == 2 && words[0].OK():
		return r.unaryTest(words[0].Text, words[1])
	case len(words) == 3 && words[1].OK():
		return binaryTest(words[1].Text, words[0], words[2])
	}
	return Maybe
}

func not(s Status) Status {
	if s == Maybe {
		return s
	}
	return Success + Failure - s
}

// either is a or b, or a and b.
func either(or bool, a, b Status) Status {
	decides, otherwise := Failure, Success
	if or {
		decides, otherwise = Success, Failure
	}
	switch {
	case a == decides || b == decides:
		return decides
	case a == otherwise && b == otherwise:
		return otherwise
	}
	return Maybe
}

func (r *run) unaryTest(op string, w Word) Status {
	if !w.OK() {
		return Maybe
	}
	switch op {
	case "-n":
		return status(w.Text != "")
	case "-z":
		return status(w.Text == "")
	case "-e", "-f", "-r", "-s":
		if _, _, ok := r.host.File(w.Text); ok {
			return Success
		}
	}
	return Maybe
}

func status(b bool) Status {
	if b {
		return Success
	}
	return Failure
}

func binaryTest(op string, a, b Word) Status {
	if !a.OK() || !b.OK() {
		return Maybe
	}
	switch op {
	case "=", "==":
		return status(a.Text == b.Text)
	case "!=":
		return status(a.Text != b.Text)
	}
	x, errX := strconv.ParseInt(a.Text, 10, 64)
	y, errY := strconv.ParseInt(b.Text, 10, 64)
	if errX != nil || errY != nil {
		return Maybe
	}
	switch op {
	case "-eq":
		return status(x == y)
	case "-ne":
		return status(x != y)
	case "-lt":
		return status(x < y)
	case "-le":
		return status(x <= y)
	case "-gt":
		return status(x > y)
	case "-ge":
		return status(x >= y)
	}
	return Maybe
}

// testExpr evaluates [[ … ]].
func (r *run) testExpr(x syntax.TestExpr) Status {
	r.steps++
	switch x := x.(type) {
	case *syntax.Word:
		return r.unaryTest("-n", r.value(x))
	case *syntax.ParenTest:
		return r.testExpr(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return not(r.testExpr(x.X))
		}
		if w, ok := x.X.(*syntax.Word); ok {
			return r.unaryTest(x.Op.String(), r.value(w))
		}
	case *syntax.BinaryTest:
		if x.Op == syntax.AndTest || x.Op == syntax.OrTest {
			return either(x.Op == syntax.OrTest, r.testExpr(x.X), r.testExpr(x.Y))
		}
		a, okA := x.X.(*syntax.Word)
		b, okB := x.Y.(*syntax.Word)
		if !okA || !okB {
			return Maybe
		}
		switch x.Op {
		case syntax.TsMatch, syntax.TsMatchShort:
			return r.matches(r.value(a), b)
		case syntax.TsNoMatch:
			return not(r.matches(r.value(a), b))
		default:
		}
		return binaryTest(x.Op.String(), r.value(a), r.value(b))
	}
	return Maybe
}

// matches reports whether a text matches a pattern of case or [[.
func (r *run) matches(subject Word, w *syntax.Word) Status {
	pat := r.patternOf(w)
	if pat.OK() && pat.Text == "*" {
		return Success
	}
	if !subject.OK() || !pat.OK() || len(pat.Text) > maxTrimmed || len(subject.Text) > maxTrimmed {
		return Maybe
	}
	r.steps++
	expr, err := pattern.Regexp(pat.Text, pattern.EntireString)
	if err != nil {
		return Maybe
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return Maybe
	}
	return status(re.MatchString(subject.Text))
}
