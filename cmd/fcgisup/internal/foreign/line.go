package foreign

import (
	"maps"
	"path"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// lineWords takes the program of spawn-fcgi's -f, which a shell executes: sh -c "exec LINE".
func (l *launch) lineWords() {
	at := shell.Place{File: l.at.file, Line: l.at.line}
	env := maps.Clone(l.env)
	if env == nil {
		env = map[string]string{}
	}
	if l.inherited != nil && !l.cleared {
		for name, w := range l.inherited() {
			if _, again := env[name]; !again && w.OK() {
				env[name] = w.Text
			}
		}
	}
	for name, value := range l.shellEnv {
		if _, again := env[name]; !again {
			env[name] = value
		}
	}
	dir := ""
	if l.directory.OK() {
		dir = firstOf(l.directory.Text, l.by.directory)
	}
	words, err := shell.Simple(shell.Script{File: l.at.file, Text: []byte(l.line), At: &at, Env: env, Dir: dir}, lineHost{l})
	switch {
	case err != nil:
		l.wrong = "-f " + quoted(l.line) + " " + err.Error()
	case len(words) > 0 && words[0].OK() && path.Base(words[0].Text)[:1] == "-":
		l.wrong = "-f " + quoted(l.line) + " begins with an option of the shell's exec"
	default:
		l.words = words
	}
}

// lineHost takes the remarks about a line.
type lineHost struct{ l *launch }

func (h lineHost) Remark(_ shell.Place, directive, text string) { h.l.later(directive, text) }

func (lineHost) Command(*shell.Command) shell.Status { return shell.Maybe }

func (lineHost) Started() int { return 0 }

func (lineHost) File(string) (string, []byte, bool) { return "", nil, false }

func (lineHost) Alternatives(_ shell.Place, _ string, branches []func()) {
	for _, follow := range branches {
		follow()
	}
}
