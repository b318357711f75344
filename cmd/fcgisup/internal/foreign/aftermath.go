package foreign

import (
	"path"
	"strings"
)

// aboutSocket takes a command that changes or removes an app's socket: it would meet the one that systemd holds from
// now on. why says what became of it.
func (r *reading) aboutSocket(argv []string, drafts []*draft, at place) (why string, ok bool) {
	if len(argv) < 2 {
		return "", false
	}
	program, args := path.Base(argv[0]), argv[1:]
	for _, d := range drafts {
		socket, _ := d.values["listen"].(string)
		if !strings.HasPrefix(socket, "/") {
			continue
		}
		switch program {
		case "rm", "unlink", "mv", "find":
			if reaches(args, socket) {
				return "left out: it would remove the socket, which systemd makes and removes from now on", true
			}
		case "chmod", "chown", "chgrp":
			if reaches(args, socket) {
				return r.chown(d, program, args, at), true
			}
		}
	}
	return "", false
}

// reaches reports whether one of the names is a socket, a pattern of it, or a directory above it.
func reaches(args []string, socket string) bool {
	for _, a := range args {
		a = strings.Replace(path.Clean(a), "/var/run/", "/run/", 1)
		if !strings.HasPrefix(a, "/") {
			continue
		}
		for _, name := range []string{socket, strings.ReplaceAll(socket, "%i", "1")} {
			if matched, err := path.Match(a, name); a == name || err == nil && matched {
				return true
			}
			if strings.HasPrefix(name, strings.TrimSuffix(a, "/")+"/") && a != "/" {
				return true
			}
			if matched, err := path.Match(a, path.Dir(name)); err == nil && matched {
				return true
			}
		}
	}
	return false
}

// chown takes over a mode or an owner of the socket.
func (r *reading) chown(d *draft, program string, args []string, at place) string {
	var names []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			names = append(names, a)
		}
	}
	socket, _ := d.values["listen"].(string)
	if len(names) != 2 || strings.Replace(path.Clean(names[1]), "/var/run/", "/run/", 1) != socket {
		return "left out: it would change the socket's directory; socket: of an app says who may connect"
	}
	switch program {
	case "chmod":
		mode, ok := octal(names[0])
		if !ok {
			return "left out: " + quoted(names[0]) + " is not an octal mode; socket: of an app says who may connect"
		}
		d.set("socket.mode", mode, at)
		return "becomes socket.mode"
	case "chgrp":
		d.set("socket.group", names[0], at)
		return "becomes socket.group"
	}
	user, group, both := strings.Cut(strings.Replace(names[0], ".", ":", 1), ":")
	if user != "" {
		d.set("socket.user", user, at)
	}
	if both {
		if group == "" {
			group = r.group(user, "chown", at)
		}
		d.set("socket.group", group, at)
	}
	return "becomes socket.user and socket.group"
}
