package units

import (
	"path/filepath"
	"slices"
	"strings"
)

// Mounts is how a service sees the file system, systemd.exec(5) "Sandboxing":
// what it hides, and where nothing can be executed.
type Mounts struct {
	// OwnRoot is set for a service whose paths are not this host's (RootDirectory=, RootImage=).
	OwnRoot bool

	hidden []hiding
	bound  []string
	noExec []hiding
	exec   []string
}

// hiding is a path with the directive that is the reason.
type hiding struct {
	path, directive string
	// bindable says that BindPaths= below it are visible.
	bindable bool
}

// MountsOf reads the directives of [Service], in order: a unit file and its drop-ins.
func MountsOf(directives []Directive) Mounts {
	values := map[string][]string{}
	for _, d := range directives {
		switch {
		case d.Section != "Service":
		case d.Value == "":
			delete(values, d.Key)
		default:
			values[d.Key] = append(values[d.Key], d.Value)
		}
	}
	last := func(key string) string {
		if all := values[key]; len(all) > 0 {
			return all[len(all)-1]
		}
		return ""
	}
	list := func(key string) []string {
		var all []string
		for _, v := range values[key] {
			all = append(all, listed(v)...)
		}
		return all
	}
	home, tmp := last("ProtectHome"), last("PrivateTmp")
	if isYes(last("DynamicUser")) && tmp == "" {
		tmp = "yes"
	}
	m := Mounts{OwnRoot: last("RootDirectory")+last("RootImage") != ""}
	m.homes(home)
	m.temporary(tmp)
	m.hide("InaccessiblePaths", false, list("InaccessiblePaths"))
	m.hide("TemporaryFileSystem", true, list("TemporaryFileSystem"))
	m.bind(slices.Concat(list("BindPaths"), list("BindReadOnlyPaths")))
	m.executable(list("NoExecPaths"), list("ExecPaths"))
	return m
}

// listed splits a list; paths in quotes are rare and keep theirs out of it.
func listed(value string) []string {
	all := strings.Fields(value)
	for i := range all {
		all[i] = strings.Trim(all[i], `"'`)
	}
	return all
}

func isYes(value string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1", "y", "t"}, strings.ToLower(value))
}

func isNo(value string) bool {
	return value == "" || slices.Contains([]string{"no", "false", "off", "0", "n", "f"}, strings.ToLower(value))
}

func (m *Mounts) homes(value string) {
	bindable := value == "tmpfs"
	if !bindable && !isYes(value) {
		return
	}
	for _, path := range []string{"/home", "/root", "/run/user"} {
		m.hidden = append(m.hidden, hiding{path, "ProtectHome=" + value, bindable})
	}
}

func (m *Mounts) temporary(value string) {
	if isNo(value) {
		return
	}
	for _, path := range []string{"/tmp", "/var/tmp"} {
		m.hidden = append(m.hidden, hiding{path, "PrivateTmp=" + value, true})
	}
}

func (m *Mounts) hide(key string, bindable bool, paths []string) {
	for _, p := range paths {
		p, _, _ = strings.Cut(p, ":") // options of a temporary file system
		if p = plainPath(p); p != "" {
			m.hidden = append(m.hidden, hiding{p, key + "=" + p, bindable})
		}
	}
}

// bind takes SOURCE[:DESTINATION[:OPTIONS]].
func (m *Mounts) bind(all []string) {
	for _, b := range all {
		parts := strings.Split(b, ":")
		to := parts[0]
		if len(parts) > 1 && parts[1] != "" {
			to = parts[1]
		}
		if to = plainPath(to); to != "" {
			m.bound = append(m.bound, to)
		}
	}
}

func (m *Mounts) executable(no, yes []string) {
	for _, p := range no {
		if p = plainPath(p); p != "" {
			m.noExec = append(m.noExec, hiding{p, "NoExecPaths=" + p, false})
		}
	}
	for _, p := range yes {
		if p = plainPath(p); p != "" {
			m.exec = append(m.exec, p)
		}
	}
}

// plainPath leaves out the marks before a path; a specifier is not known here.
func plainPath(p string) string {
	p = strings.TrimLeft(p, "-+")
	if !strings.HasPrefix(p, "/") || strings.Contains(p, "%") {
		return ""
	}
	return filepath.Clean(p)
}

func below(path, folder string) bool { return folder == "/" || within(path, folder) }

// Hides is the directive that hides an absolute path, empty if the service sees it.
func (m Mounts) Hides(path string) string {
	var by hiding
	for _, h := range m.hidden {
		if below(path, h.path) && len(h.path) > len(by.path) {
			by = h
		}
	}
	if by.bindable && slices.ContainsFunc(m.bound, func(b string) bool { return below(path, b) && below(b, by.path) }) {
		return ""
	}
	return by.directive
}

// NoExec is the directive that forbids to execute a path, empty if none does.
func (m Mounts) NoExec(path string) string {
	var by hiding
	for _, h := range m.noExec {
		if below(path, h.path) && len(h.path) > len(by.path) {
			by = h
		}
	}
	if slices.ContainsFunc(m.exec, func(e string) bool { return below(path, e) && len(e) >= len(by.path) }) {
		return ""
	}
	return by.directive
}
