package fcgisup

import (
	"regexp"
	"sync"
)

// pattern is compiled when it is first used: a supervisor, of which a host may have a thousand, keeps no more
// than its configuration needed.
func pattern(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
