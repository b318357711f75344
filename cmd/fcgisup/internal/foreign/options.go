package foreign

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// take reads a wrapper's options and operands.
func (l *launch) take(name string, w wrapper) {
	operands := strings.Fields(w.operands)
	if name == "runuser" && slices.ContainsFunc(l.words, func(w shell.Word) bool { return w.Text == "-u" || strings.HasPrefix(w.Text, "--user") }) {
		w.permutes, operands = false, nil // runuser -u USER COMMAND
	}
	for len(l.words) > 0 && l.wrong == "" {
		word := l.words[0]
		switch {
		case !word.OK():
			if len(operands) == 0 || word.Splits {
				l.wrong = word.Unknown
				return
			}
		case word.Text == "--":
			l.words = l.words[1:]
			if !w.permutes {
				l.rest(name, w, operands)
				return
			}
			continue
		case len(word.Text) > 1 && word.Text[0] == '-' || word.Text == "-" && strings.Contains(w.options, "-:"):
			l.words = l.words[1:]
			l.option(name, w, word.Text)
			continue
		case name == "daemon" && strings.HasPrefix(word.Text, "+"):
			l.words = l.words[1:] // Red Hat's nice level
			l.mean(name, "Nice", word)
			continue
		}
		if !w.permutes || len(operands) == 0 {
			break
		}
		l.words = l.words[1:]
		l.mean(name, operands[0], word)
		operands = operands[1:]
	}
	if !w.permutes && l.wrong == "" {
		l.rest(name, w, operands)
	}
}

// rest are the words between the options and the program.
func (l *launch) rest(name string, w wrapper, operands []string) {
	for _, meaning := range operands {
		if len(l.words) == 0 {
			return
		}
		l.mean(name, meaning, l.words[0])
		l.words = l.words[1:]
	}
	for w.assigns && len(l.words) > 0 {
		variable, _, ok := strings.Cut(l.words[0].Text, "=")
		if l.words[0].Text == "--" {
			l.words = l.words[1:]
			return
		}
		if !ok || !variableName(variable) {
			return
		}
		l.mean(name, "env", l.words[0])
		l.words = l.words[1:]
	}
}

// option takes one word of options; what they need comes from the words behind it.
func (l *launch) option(name string, w wrapper, text string) {
	if strings.HasPrefix(text, "--") {
		key, value, given := strings.Cut(text, "=")
		o, ok := w.option(key)
		switch {
		case !ok:
			l.unknownOption(name, key)
		case o.value && !given:
			l.optionValue(name, o, "")
		case o.value:
			l.mean(name, o.meaning, shell.Known(value))
		case o.meaning != "":
			l.mean(name, o.meaning, shell.Word{})
		}
		return
	}
	if o, ok := w.option(text); ok && !o.value && text == "-" {
		l.mean(name, o.meaning, shell.Word{})
		return
	}
	if n, err := strconv.Atoi(text); err == nil && name == "nice" {
		l.mean(name, "Nice", shell.Known(strconv.Itoa(-n))) // nice -10 is nice -n 10
		return
	}
	for i := 1; i < len(text); i++ {
		o, ok := w.option("-" + text[i:i+1])
		switch {
		case !ok:
			l.unknownOption(name, "-"+text[i:i+1])
			return
		case o.value:
			l.optionValue(name, o, text[i+1:])
			return
		case o.meaning != "":
			l.mean(name, o.meaning, shell.Word{})
		}
	}
}

func (l *launch) unknownOption(name, option string) {
	l.wrong = option + " is not an option of " + name + " that import knows"
}

func (l *launch) optionValue(name string, o option, attached string) {
	if attached != "" {
		l.mean(name, o.meaning, shell.Known(attached))
		return
	}
	if len(l.words) == 0 {
		l.wrong = o.name + " of " + name + " lacks its value"
		return
	}
	l.mean(name, o.meaning, l.words[0])
	l.words = l.words[1:]
}
