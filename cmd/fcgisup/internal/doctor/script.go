package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
)

// interpreter is how the command line of a language names its script.
type interpreter struct {
	// valued are the options whose value is the next word.
	valued []string
	// inline are the letters of options that take a program's text or a module instead of a
	// script, also behind other letters, as in -lc.
	inline string
}

// interpreters are the known ones, by the name of the program without its version.
var interpreters = map[string]interpreter{
	"perl":    {[]string{"-I"}, "eE"},
	"python":  {[]string{"-W", "-X", "--check-hash-based-pycs"}, "cm"},
	"ruby":    {[]string{"-I", "-r", "-C", "-E"}, "e"},
	"php-cgi": {[]string{"-c", "-d", "-z", "-b", "-T"}, ""},
	"lua":     {[]string{"-l"}, "e"},
	"node":    {[]string{"-r", "--require", "--import", "-C", "--conditions"}, "ep"},
	"sh":      {[]string{"-o", "+o"}, "cs"},
	"bash":    {[]string{"-o", "+o", "-O", "+O", "--rcfile", "--init-file"}, "cs"},
	"dash":    {[]string{"-o", "+o"}, "cs"},
}

// languageOf finds the interpreter that a program is: python3.11 is python.
func languageOf(program string) (name string, known bool) {
	name = strings.TrimRight(filepath.Base(program), "0123456789.")
	_, known = interpreters[strings.TrimSuffix(name, "-")]
	return strings.TrimSuffix(name, "-"), known
}

// scriptOf returns the script that an interpreter is given, or the text of its program with the
// option's letter: at most one of the two.
func (i interpreter) scriptOf(args []string) (script, text string) {
	for n := 0; n < len(args); n++ {
		arg := args[n]
		switch {
		case arg == "--":
			if n+1 < len(args) {
				return args[n+1], ""
			}
			return "", ""
		case slices.Contains(i.valued, arg):
			n++
		case strings.HasPrefix(arg, "--") || strings.HasPrefix(arg, "+"):
		case strings.HasPrefix(arg, "-"):
			if slices.ContainsFunc(i.valued, func(v string) bool { return len(v) == 2 && strings.HasPrefix(arg, v) }) {
				continue // its value is in the same word
			}
			if strings.ContainsAny(arg[1:], i.inline) || arg == "-" {
				if n+1 < len(args) {
					return "", args[n+1]
				}
				return "", ""
			}
		default:
			return arg, ""
		}
	}
	return "", ""
}

// argument says what is wrong with the script that the command's interpreter is given.
func (l launch) argument() *finding.Finding {
	argv := l.argv
	if filepath.Base(argv[0]) == "env" {
		at := slices.Index(argv[1:], parseEnv(argv[1:], false).program)
		if at < 0 {
			return nil
		}
		argv = argv[1+at:]
	}
	name, known := languageOf(argv[0])
	if !known {
		return nil
	}
	script, text := interpreters[name].scriptOf(argv[1:])
	if strings.HasSuffix(name, "sh") && text != "" {
		if program := soleProgram(text); program != "" {
			return l.execute(program, "", 0)
		}
		return nil
	}
	if !filepath.IsAbs(script) {
		return nil
	}
	if _, err := os.Stat(script); !errors.Is(err, fs.ErrNotExist) || name == "node" && filepath.Ext(script) == "" {
		return nil // node adds an extension
	}
	f := l.missing(script, "")
	f.Message = strings.TrimSuffix(f.Message, ".") + ": " + filepath.Base(argv[0]) + " is to run it."
	f.Fix = "install the script, or fix " + l.correct
	return f
}

// soleProgram returns the path of the program that a shell's text starts, empty unless the
// text is one plain command that begins with an absolute path.
func soleProgram(text string) string {
	words := strings.Fields(text)
	if strings.ContainsAny(text, "\n;|&<>()`$\\'\"*?[]{}#~") || len(words) == 0 {
		return ""
	}
	if words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return ""
	}
	return words[0]
}
