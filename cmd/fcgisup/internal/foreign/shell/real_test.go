package shell

import (
	"fmt"
	"math/rand/v2"
	osexec "os/exec"
	"strings"
	"testing"
)

// generator writes scripts of constructs that depend on nothing but the variable X of the environment, which import
// does not know. They call emit with what they have computed.
type generator struct {
	*rand.Rand
	b      strings.Builder
	indent int
	funcs  int
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) name() string { return g.pick("A", "B", "C") }

// word is one of a command, or of an assignment.
func (g *generator) word() string {
	a := g.name()
	switch g.IntN(16) {
	case 0:
		return "'" + g.pick("", "q $A", "x*y", `b\c`) + "'"
	case 1:
		return `"` + g.pick("", "p ", "$X") + "$" + a + g.pick("", " s", `\"`, `\$`, "'") + `"`
	case 2:
		return "${" + a + g.pick(":-", "-", ":+", "+", ":=") + g.pick("d", "$B", `"e f"`, "") + "}"
	case 3:
		return "${" + a + g.pick("#", "##", "%", "%%") + g.pick("f*", "*o", "?", "*", "x", `"*"`) + "}"
	case 4:
		return "$(echo " + g.word() + " $" + a + ")"
	case 5:
		return fmt.Sprintf("$((%d %s %d))", g.IntN(9), g.pick("+", "-", "*", "/", "%", "<", "=="), 1+g.IntN(9))
	case 6:
		return `a\ b$` + a
	case 7:
		return "$X" + g.pick("", "y")
	case 8:
		return g.pick(`"$@"`, "$1", "$#", `"$2"`)
	case 9:
		return "$(basename /u/" + g.pick("v", "v.x .x") + ")"
	case 10, 11:
		return "$" + a
	}
	return g.pick("foo", "bar", "10", "-s", "/a/b", "fo=o")
}

func (g *generator) condition() string {
	switch g.IntN(7) {
	case 0:
		return "[ -n \"$" + g.name() + "\" ]"
	case 1:
		return "test \"x$" + g.name() + "\" = x" + g.pick("foo", "")
	case 2:
		return "[ \"$X\" = 1 ]"
	case 3:
		return g.pick("true", "false", "! true", ":")
	case 4:
		return fmt.Sprintf("[ %d %s %d ]", g.IntN(4), g.pick("-eq", "-lt", "-ge", "-ne"), g.IntN(4))
	case 5:
		return "{ " + g.pick("true", "[ -z \"$X\" ]") + g.pick(" && ", " || ") + g.pick("false", "[ -n \"$A\" ]") + "; }"
	}
	return "[ \"$" + g.name() + "\" != foo ]"
}

func (g *generator) line(format string, args ...any) {
	fmt.Fprintf(&g.b, strings.Repeat(" ", g.indent)+format+"\n", args...)
}

func (g *generator) block(depth int) {
	g.indent++
	for range 1 + g.IntN(3) {
		g.statement(depth)
	}
	g.indent--
}

func (g *generator) statement(depth int) {
	kind := g.IntN(20)
	if depth == 0 {
		kind %= 8
	}
	switch kind {
	case 0, 1, 2:
		g.line("%s=%s", g.name(), g.word())
	case 3, 4, 5:
		g.line("emit %s %s", g.word(), g.word())
	case 6:
		g.line("%s", g.pick("set -- "+g.word()+" "+g.word(), "unset "+g.name(), "eval \"B=$A\" 2>/dev/null || :"))
	case 7:
		g.line("%s %s emit %s", g.condition(), g.pick("&&", "||"), g.word())
	case 8, 9, 10:
		g.line("if %s; then", g.condition())
		g.block(depth - 1)
		if g.IntN(2) == 0 {
			g.line("else")
			g.block(depth - 1)
		}
		g.line("fi")
	case 11, 12:
		g.line("case %s in", g.word())
		for range 1 + g.IntN(2) {
			g.line("%s)", g.pick("foo", "f*|10", "'x*y'", "?", `"$B"`))
			g.block(depth - 1)
			g.line(";;")
		}
		g.line("%s)", g.pick("*", "bar"))
		g.block(depth - 1)
		g.line("esac")
	case 13, 14:
		g.line("for %s in %s %s; do", g.name(), g.word(), g.word())
		g.block(depth - 1)
		if g.IntN(3) == 0 {
			g.line("%s", g.pick("break", "continue"))
		}
		g.line("done")
	case 15:
		g.line("N=0; while [ $N -lt %d ]; do", g.IntN(3))
		g.block(0)
		g.line("N=$((N+1)); done")
	case 16:
		g.line("(")
		g.block(depth - 1)
		g.line(")")
	case 17, 18:
		g.funcs++
		f := fmt.Sprintf("f%d", g.funcs)
		g.line("%s() {", f)
		g.block(depth - 1)
		g.line("%s", g.pick(":", "return 1", "return 0", "false"))
		g.line("}")
		g.line("%s %s %s", g.pick("", "!"), f, g.word())
	case 19:
		g.line("%s=1 emit %s", g.name(), g.word())
	}
}

// heard are the words of each emit, with what may be otherwise.
type heard struct{ commands []*Command }

func (h *heard) Command(c *Command) Status {
	if c.Argv[0].Text == "emit" {
		h.commands = append(h.commands, c)
		return Success
	}
	return Maybe
}
func (h *heard) Remark(Place, string, string)       {}
func (h *heard) File(string) (string, []byte, bool) { return "", nil, false }
func (h *heard) Started() int                       { return 0 }
func (h *heard) Alternatives(_ Place, _ string, branches []func()) {
	for _, b := range branches {
		b()
	}
}

// covers reports whether real calls are among those that the commands allow.
func covers(commands []*Command, real [][]string) bool {
	if len(commands) == 0 {
		return len(real) == 0
	}
	if group := loops(commands); group > 0 { // any number of rounds
		if covers(commands[group:], real) {
			return true
		}
		for _, c := range commands[:group] {
			if len(real) > 0 && allows(c.Argv[1:], real[0]) && covers(commands, real[1:]) {
				return true
			}
		}
		return false
	}
	c := commands[0]
	if len(real) > 0 && allows(c.Argv[1:], real[0]) && covers(commands[1:], real[1:]) {
		return true
	}
	return c.Maybe != "" && covers(commands[1:], real)
}

// loops counts the commands of a loop whose rounds are not known.
func loops(commands []*Command) int {
	n := 0
	for n < len(commands) && strings.Contains(commands[n].Maybe, "loop") {
		n++
	}
	return n
}

func allows(words []Word, real []string) bool {
	if len(words) == 0 {
		return len(real) == 0
	}
	w := words[0]
	switch {
	case w.Splits:
		return allows(words[1:], real) || len(real) > 0 && allows(words, real[1:])
	case len(real) == 0:
		return false
	}
	return (!w.OK() || w.Text == real[0]) && allows(words[1:], real[1:])
}

// TestAgainstRealShell: what is said to be known is what the shell does, whatever the environment holds.
func TestAgainstRealShell(t *testing.T) {
	known, all := 0, 0
	for seed := range uint64(12) {
		k, a := compare(t, seed)
		known, all = known+k, all+a
	}
	if known*3 < all {
		t.Errorf("only %d of %d calls are known", known, all)
	}
}

func FuzzAgainstRealShell(f *testing.F) {
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed) })
}

// compare runs one script, with several environments, and counts the calls that are known.
func compare(t *testing.T, seed uint64) (known, all int) {
	sh, err := osexec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	const emit = `emit() { printf '\001'; for w in "$@"; do printf '%s\002' "$w"; done; }` + "\n"
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	g.line("A=foo; B='b b'; C=; set -- one two")
	for range 6 {
		g.statement(2)
	}
	script := g.b.String()
	h := &heard{}
	if err := Run(Script{File: "run", Text: []byte("#!/bin/sh\n" + script)}, h); err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	var said []string
	for _, c := range h.commands {
		all++
		if !hasUnknown(c.Argv) {
			known++
		}
		said = append(said, fmt.Sprintf("%+v maybe %q", c.Argv[1:], c.Maybe))
	}
	for _, x := range []string{"", "X=1", "X=foo bar"} {
		cmd := osexec.CommandContext(t.Context(), sh, "-fc", emit+script)
		cmd.Env = []string{"PATH=/usr/bin:/bin", x}
		out, err := cmd.Output()
		if err != nil && strings.Contains(err.Error(), "exit status 2") {
			continue // an error in an expression, or in what eval gets, ends the shell
		}
		var real [][]string
		for _, call := range strings.Split(string(out), "\x01")[1:] {
			words := strings.Split(call, "\x02")
			real = append(real, words[:len(words)-1])
		}
		if !covers(h.commands, real) {
			t.Fatalf("seed %d with %q: the shell calls %q\nimport says\n%s\nscript:\n%s", seed, x, real, strings.Join(said, "\n"), script)
		}
	}
	return known, all
}

func hasUnknown(words []Word) bool {
	for _, w := range words {
		if !w.OK() {
			return true
		}
	}
	return false
}
