package term

import (
	"fmt"
	"regexp"
	"sync"
)

// Plural is a number with its noun: "1 worker", "2 workers".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Pattern is compiled when it is first used: a supervisor, of which a host may
// have a thousand, needs none.
func Pattern(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
