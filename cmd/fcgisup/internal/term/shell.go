package term

import "strings"

// ShellWords is a command line for sh(1).
func ShellWords(argv []string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = ShellWord(arg)
	}
	return strings.Join(words, " ")
}

var plainWord = Pattern(`^[A-Za-z0-9_@%+=:,./-]+$`)

// ShellWord quotes an argument for sh(1), to be copied from a header.
func ShellWord(s string) string {
	if plainWord().MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
