package main

import "strings"

// shellWords is a command line for sh(1).
func shellWords(argv []string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = shellWord(arg)
	}
	return strings.Join(words, " ")
}

var plainWord = pattern(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes an argument for sh(1), to be copied from a header.
func shellWord(s string) string {
	if plainWord().MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
