package shell

import (
	"math"
	"strconv"

	"mvdan.cc/sh/v3/syntax"
)

// arithm evaluates $((…)); why is set if it cannot.
func (r *run) arithm(x syntax.ArithmExpr) (n int64, why string) {
	r.steps++
	switch x := x.(type) {
	case *syntax.Word:
		return r.number(x)
	case *syntax.ParenArithm:
		return r.arithm(x.X)
	case *syntax.UnaryArithm:
		return r.unary(x)
	case *syntax.BinaryArithm:
		return r.binaryArithm(x)
	}
	return 0, "an expression that is not evaluated"
}

func (r *run) number(w *syntax.Word) (int64, string) {
	text := w.Lit()
	if syntax.ValidName(text) {
		v, _ := r.variableValue(text, "")
		if !v.OK() {
			return 0, v.Unknown
		}
		text = v.Text
	} else if text == "" {
		v := r.value(w)
		if !v.OK() {
			return 0, v.Unknown
		}
		text = v.Text
	}
	if text == "" {
		return 0, ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(text) > 1 && text[0] == '0' {
		return 0, text + " is not evaluated as a number"
	}
	return n, ""
}

func (r *run) unary(x *syntax.UnaryArithm) (int64, string) {
	n, why := r.arithm(x.X)
	name := ""
	if w, ok := x.X.(*syntax.Word); ok {
		name = w.Lit()
	}
	switch {
	case x.Op == syntax.Inc || x.Op == syntax.Dec:
		change := int64(1)
		if x.Op == syntax.Dec {
			change = -1
		}
		r.store(name, n+change, why, x)
		if !x.Post {
			n += change
		}
		return n, why
	case why != "":
		return 0, why
	case x.Op == syntax.Minus:
		return -n, ""
	case x.Op == syntax.Plus:
		return n, ""
	case x.Op == syntax.Not:
		return toInt(n == 0), ""
	}
	return 0, "an expression that is not evaluated"
}

func (r *run) store(name string, n int64, why string, at syntax.Node) {
	if !syntax.ValidName(name) {
		return
	}
	w := Known(strconv.FormatInt(n, 10))
	if why != "" {
		w = Word{Unknown: why}
	}
	r.assign(name, variable{word: w, set: true, line: int(at.Pos().Line())})
}

func (r *run) binaryArithm(x *syntax.BinaryArithm) (int64, string) {
	const not = "an expression that is not evaluated"
	assigns := map[syntax.BinAritOperator]syntax.BinAritOperator{
		syntax.Assgn: syntax.Assgn, syntax.AddAssgn: syntax.Add, syntax.SubAssgn: syntax.Sub, syntax.MulAssgn: syntax.Mul,
	}
	if op, ok := assigns[x.Op]; ok {
		name := ""
		if w, ok := x.X.(*syntax.Word); ok {
			name = w.Lit()
		}
		n, why := r.arithm(x.Y)
		if op != syntax.Assgn && why == "" {
			var before int64
			if before, why = r.arithm(x.X); why == "" {
				n, why = compute(op, before, n)
			}
		}
		r.store(name, n, why, x)
		return n, why
	}
	a, why := r.arithm(x.X)
	if why != "" {
		return 0, why
	}
	switch {
	case x.Op == syntax.AndArit && a == 0:
		return 0, ""
	case x.Op == syntax.OrArit && a != 0:
		return 1, ""
	case x.Op == syntax.TernQuest || x.Op == syntax.TernColon:
		return 0, not
	}
	b, why := r.arithm(x.Y)
	if why != "" {
		return 0, why
	}
	return compute(x.Op, a, b)
}

func compute(op syntax.BinAritOperator, a, b int64) (int64, string) {
	switch op {
	case syntax.Add:
		return a + b, ""
	case syntax.Sub:
		return a - b, ""
	case syntax.Mul:
		return a * b, ""
	case syntax.Quo, syntax.Rem:
		if b == 0 || a == math.MinInt64 {
			return 0, "a division that is not evaluated"
		}
		if op == syntax.Quo {
			return a / b, ""
		}
		return a % b, ""
	case syntax.Eql:
		return toInt(a == b), ""
	case syntax.Neq:
		return toInt(a != b), ""
	case syntax.Lss:
		return toInt(a < b), ""
	case syntax.Leq:
		return toInt(a <= b), ""
	case syntax.Gtr:
		return toInt(a > b), ""
	case syntax.Geq:
		return toInt(a >= b), ""
	case syntax.AndArit, syntax.OrArit:
		return toInt(b != 0), ""
	case syntax.Comma:
		return b, ""
	default:
	}
	return 0, "an expression that is not evaluated"
}

func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// truth is the status of a number.
func truth(n int64, why string) Status {
	switch {
	case why != "":
		return Maybe
	case n != 0:
		return Success
	}
	return Failure
}
