package main

import (
	"fmt"
	"regexp"
	"sync"
)

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// pattern is compiled when it is first used: a supervisor, of which a host may
// have a thousand, needs none.
func pattern(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
