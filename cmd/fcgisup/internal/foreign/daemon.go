package foreign

import (
	"path"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// hidesSpawner reports whether a wrapper may start a spawner whose options stand elsewhere than behind its name: those
// of start-stop-daemon's program stand behind --, those in a text of su -c or daemon in one word.
func hidesSpawner(words []shell.Word) bool {
	for i, w := range words {
		if path.Base(w.Text) == "start-stop-daemon" {
			return daemonSpawns(words[i+1:])
		}
		if fields := strings.Fields(w.Text); len(fields) > 1 {
			if at := slices.IndexFunc(fields, isSpawner); at >= 0 && (hasSocket(known(fields[at+1:])) || !w.OK()) {
				return true
			}
		}
	}
	return false
}

// daemonSpawns reports whether start-stop-daemon with these words starts a spawner, or a program that is not known.
func daemonSpawns(words []shell.Word) bool {
	if daemonStops(words) {
		return false
	}
	doubt, plain := false, false // plain: it starts another program, whose name is known
	for i, w := range words {
		if w.Text == "--" && w.OK() {
			return doubt && !plain || slices.ContainsFunc(words[i+1:], func(w shell.Word) bool { return isSpawner(w.Text) })
		}
		text := w.Text
		if option, value, both := strings.Cut(text, "="); both && strings.HasPrefix(option, "--") {
			text = value
		}
		if isSpawner(text) || isSpawner(strings.TrimPrefix(strings.TrimPrefix(text, "-x"), "-a")) || startsFastCGI().MatchString(path.Base(text)) {
			return true
		}
		program := i > 0 && (programOption(words[i-1].Text) || programOption(text))
		doubt = doubt || w.Splits || program && !w.OK()
		plain = plain || program && w.OK() && path.IsAbs(text)
	}
	return doubt && !plain
}

// programOption reports whether a word ends with start-stop-daemon's option for the program.
func programOption(text string) bool {
	if name, ok := strings.CutPrefix(text, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return len(name) > 1 && (strings.HasPrefix("exec", name) || strings.HasPrefix("startas", name) && len(name) > 3)
	}
	return strings.HasPrefix(text, "-") && len(text) > 1 && strings.ContainsAny(text[len(text)-1:], "xa")
}

// daemonStops reports whether start-stop-daemon starts nothing with these words.
func daemonStops(words []shell.Word) bool {
	for _, w := range words {
		switch {
		case w.Text == "--" && w.OK():
			return false
		case strings.HasPrefix(w.Text, "--"):
			if name, _, _ := strings.Cut(w.Text, "="); slices.Contains([]string{"--stop", "--status", "--test", "--help", "--version"}, name) {
				return true
			}
		case strings.HasPrefix(w.Text, "-") && len(w.Text) > 1 && strings.ContainsAny(w.Text[1:2], "KTtHV"):
			return true
		}
	}
	return false
}
