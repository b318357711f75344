package foreign

import (
	"regexp"
	"sync"
)

// pattern is compiled when it is first used: this package is in every
// supervisor, too, which imports nothing.
func pattern(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
