package worker

import (
	"regexp"
	"sync"
)

// pattern is compiled when it is first used, not at the start of a supervisor, for which
// a request waits.
func pattern(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
