package fcgisup

import (
	"slices"
	"strings"
)

// Paths lists the paths that the configuration names for the program: its command and directory, and what its
// environment and the CGI parameters begin with or, as PATH does, hold between colons. A variable that is /tmp
// itself names a place for temporary files, and a private one is as good.
func (a App) Paths() []string {
	paths := append([]string{a.Directory}, a.Command...)
	for _, values := range []map[string]string{a.Environment, a.Health.Params, a.Nginx.Params} {
		for _, value := range values {
			paths = append(paths, slices.DeleteFunc(strings.Split(value, ":"), func(p string) bool {
				return !strings.HasPrefix(p, "/") || p == "/tmp" || p == "/var/tmp"
			})...)
		}
	}
	return paths
}
