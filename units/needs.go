package units

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Need is a path that a directive of a service names and without which no start succeeds.
type Need struct {
	// Directive is as written, such as "LoadCredential"; Path is what it names.
	Directive, Path string
	// Parent reports that systemd makes the file itself and needs only its directory.
	Parent bool
}

// Helper is a command that runs beside the program, such as one of ExecStartPre=, and fails
// the start with it.
type Helper struct {
	Directive string
	Argv      []string
	// Privileged reports that it runs as root without the sandbox, as with a leading +.
	Privileged bool
}

// needsOf lists what a service needs in the order in which a start meets it, by the exit
// codes of systemd.exec(5): outputs (209, 222), mounts (226), credentials (243).
func needsOf(p properties, files []string) []Need {
	all := streams(files)
	for _, key := range []string{"RootDirectory", "RootImage"} {
		if path := property[string](p, key); path != "" {
			all = append(all, Need{Directive: key, Path: path})
		}
	}
	made := directoriesOf(p)
	privileged := slices.ContainsFunc(helpersOf(p), func(h Helper) bool { return h.Privileged && h.Directive == "ExecStartPre" })
	for _, mount := range missingMounts(p) {
		key, path, _ := strings.Cut(mount, "=")
		if !privileged && !leadsTo(path, made) { // else a start may make it
			all = append(all, Need{Directive: key, Path: path})
		}
	}
	literal := map[string]bool{}
	for _, key := range []string{"SetCredential", "SetCredentialEncrypted"} {
		for _, pair := range property[[][]any](p, key) {
			if len(pair) > 0 {
				id, _ := pair[0].(string)
				literal[id] = true
			}
		}
	}
	for _, key := range []string{"LoadCredential", "LoadCredentialEncrypted"} {
		for _, pair := range property[[][]any](p, key) {
			if len(pair) != 2 {
				continue
			}
			id, _ := pair[0].(string)
			if path, _ := pair[1].(string); filepath.IsAbs(path) && !literal[id] {
				all = append(all, Need{Directive: key, Path: path})
			}
		}
	}
	return all
}

// directoriesOf lists the directories that systemd makes for a service before its mounts.
func directoriesOf(p properties) (all []string) {
	for key, root := range map[string]string{
		"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log", "ConfigurationDirectory": "/etc",
	} {
		for _, name := range property[[]string](p, key) {
			all = append(all, filepath.Join(root, name))
		}
	}
	return all
}

// leadsTo reports whether a path is one of the directories or on the way to one.
func leadsTo(path string, made []string) bool {
	return slices.ContainsFunc(made, func(dir string) bool { return dir == path || strings.HasPrefix(dir, path+"/") })
}

// streams reads the files of standard input and outputs from the unit's files: systemd does
// not report their paths.
func streams(files []string) (all []Need) {
	last := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		directives, _ := Read(text)
		for _, d := range directives {
			if d.Section == "Service" {
				last[d.Key] = d.Value
			}
		}
	}
	for _, key := range []string{"StandardInput", "StandardOutput", "StandardError"} {
		kind, path, _ := strings.Cut(last[key], ":")
		if !slices.Contains([]string{"file", "append", "truncate"}, kind) || !filepath.IsAbs(path) || strings.Contains(path, "%") {
			continue
		}
		all = append(all, Need{key, path, key != "StandardInput"})
	}
	return all
}

// helpersOf lists the commands beside the program whose failure is not ignored.
func helpersOf(p properties) (all []Helper) {
	for _, key := range []string{"ExecCondition", "ExecStartPre", "ExecStartPost"} {
		for _, command := range property[[][]any](p, key+"Ex") { // path, arguments, flags, times
			if len(command) < 3 {
				continue
			}
			program, _ := command[0].(string)
			argv, _ := command[1].([]string)
			flags, _ := command[2].([]string)
			if !filepath.IsAbs(program) || len(argv) == 0 || slices.Contains(flags, "ignore-failure") {
				continue
			}
			all = append(all, Helper{key, append([]string{program}, argv[1:]...), slices.Contains(flags, "privileged")})
		}
	}
	return all
}
