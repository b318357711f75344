package units

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// NamespaceExit is the exit code of a start at which systemd could not set up the
// mounts that a service's directives ask for.
const NamespaceExit = 226

// missingMounts are the directives with a path that does not exist and may not be
// missing, as "ReadWritePaths=/srv/x": systemd fails each start with [NamespaceExit].
func missingMounts(p properties) (all []string) {
	if property[string](p, "RootDirectory")+property[string](p, "RootImage") != "" {
		return nil // its paths are not this host's
	}
	add := func(directive, path string) {
		if _, err := os.Stat(path); strings.HasPrefix(path, "/") && errors.Is(err, fs.ErrNotExist) {
			all = append(all, directive+"="+path)
		}
	}
	for _, key := range []string{"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths"} {
		for _, path := range property[[]string](p, key) {
			if !strings.HasPrefix(path, "-") {
				add(key, strings.TrimPrefix(path, "+"))
			}
		}
	}
	for _, key := range []string{"BindPaths", "BindReadOnlyPaths"} {
		for _, bind := range property[[][]any](p, key) { // source, destination, whether the source may be missing, flags
			if len(bind) < 3 {
				continue
			}
			source, _ := bind[0].(string)
			if optional, _ := bind[2].(bool); !optional {
				add(key, source)
			}
		}
	}
	return all
}
