package fcgisup

import (
	"path"
	"slices"
	"strings"
	"time"
)

// Denial is something that a program was refused, perhaps by the sandbox of its service.
type Denial struct {
	// At is when it was seen.
	At time.Time `json:"at,omitzero"`
	// Directive is the one that may have refused it, with its value.
	Directive string `json:"directive"`
	// Path is what it was about, where that is known.
	Path string `json:"path,omitempty"`
	// Fix is configuration of the app that permits it.
	Fix string `json:"fix"`
}

// String says it in a sentence without its end.
func (d Denial) String() string {
	text := "the sandbox may forbid this (" + d.Directive
	if d.Path != "" {
		text += ", " + d.Path
	}
	return text + "); permitted by " + d.Fix
}

// refusal is what a program says when it is refused.
type refusal int

const (
	_ refusal = iota
	readOnly
	noAccess
	notPermitted
	notThere
	noFamily
	powerless // a set-user-ID program that did not become what it is for
)

// phrases are the C library's words for errors, in the spelling of programs and languages. What
// comes first counts.
var phrases = []struct {
	text string
	is   refusal
}{
	{"no new privileges", powerless},
	{"effective uid is not 0", powerless},
	{"must be setuid", powerless},
	{"must be suid", powerless},
	{"unable to set gid or uid", powerless},
	{"read-only file system", readOnly},
	{"[errno 30]", readOnly},
	{"erofs", readOnly},
	{"address family not supported", noFamily},
	{"permission denied", noAccess},
	{"[errno 13]", noAccess},
	{"eacces", noAccess},
	{"operation not permitted", notPermitted},
	{"[errno 1]", notPermitted},
	{"eperm", notPermitted},
	{"no such file or directory", notThere},
	{"enoent", notThere},
}

// helpers are words of set-user-ID and set-group-ID programs, whose errors name no cause.
var helpers = []string{"postdrop", "maildrop", "sendmail", "exim", "postqueue", "sudo", "ping:", "newuidmap", "fusermount", "setuid", "setgid", "setgroups", "seteuid", "wrapper"}

// maxDenialLine is how much of a line is looked at.
const maxDenialLine = 2 << 10

// Denied finds out whether a line of a program's output may be about something that its
// service's sandbox forbids. It knows the words only, so it says "may".
func (a App) Denied(line string) (Denial, bool) {
	line = line[:min(len(line), maxDenialLine)]
	lower := strings.ToLower(line)
	if len(lower) != len(line) {
		line = lower // letters whose cases differ in length; places must agree
	}
	for _, p := range phrases {
		if at := strings.Index(lower, p.text); at >= 0 {
			return a.denied(p.is, lower, near(line, at, at+len(p.text)))
		}
	}
	return Denial{}, false
}

func (a App) denied(is refusal, lower, file string) (Denial, bool) {
	b := sandboxed{a}
	helper := slices.ContainsFunc(helpers, func(word string) bool { return strings.Contains(lower, word) })
	switch {
	case is == powerless, helper && (is == noAccess || is == notPermitted):
		return b.by("NoNewPrivileges", "yes", file, "systemd: {sandbox: basic}")
	case is == readOnly:
		return b.readOnly(file)
	case is == noFamily:
		return b.by("RestrictAddressFamilies", "", "", "systemd: {service: {RestrictAddressFamilies: [AF_…]}}")
	case within(file, "/dev") && is != noAccess:
		return b.device(file)
	case (is == noAccess || is == notThere) && within(file, "/home", "/root", "/run/user"):
		return b.home(file)
	case is == notThere && within(file, "/tmp", "/var/tmp"):
		return b.by("PrivateTmp", "yes", file, `systemd: {service: {PrivateTmp: "no"}}`)
	case is == notPermitted:
		return b.by("SystemCallFilter", "", file, "systemd: {sandbox: basic}")
	default:
		return Denial{}, false
	}
}

// sandboxed knows what a service forbids.
type sandboxed struct{ App }

// value is a directive's in the generated service, empty if it is not there. Lists have any value.
func (b sandboxed) value(key string) string {
	if set, ok := b.Systemd.Service[key]; ok {
		if len(set) == 0 {
			return ""
		}
		if b.Systemd.Sandbox != Strict || key != "SystemCallFilter" && key != "RestrictAddressFamilies" {
			return set[len(set)-1]
		}
	}
	basic := map[string]string{"ProtectSystem": "yes", "PrivateTmp": "yes", "DevicePolicy": "closed"}
	strict := map[string]string{
		"ProtectSystem": "full", "ProtectHome": "yes", "NoNewPrivileges": "yes", "PrivateDevices": "yes",
		"SystemCallFilter": "@system-service", "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
	}
	switch b.Systemd.Sandbox {
	case Strict:
		if key == "ProtectHome" && b.livesIn("/home", "/root", "/run/user") {
			return "read-only"
		}
		if v := strict[key]; v != "" {
			return v
		}
		return basic[key]
	case Basic:
		return basic[key]
	default:
		return ""
	}
}

// livesIn repeats what the renderer of units looks at, as far as the app says it.
func (b sandboxed) livesIn(directories ...string) bool {
	return slices.ContainsFunc(b.Paths(), func(p string) bool { return within(p, directories...) })
}

// by is a denial by a directive, if it is in force with that value; empty stands for any.
func (b sandboxed) by(key, value, file, fix string) (Denial, bool) {
	have := b.value(key)
	if have == "" || have == "no" || have == "false" || value != "" && !same(have, value) {
		return Denial{}, false
	}
	return Denial{Directive: key + "=" + have, Path: file, Fix: fix}, true
}

// same takes systemd's spellings of yes as one.
func same(have, want string) bool {
	return have == want || want == "yes" && slices.Contains([]string{"true", "on", "1"}, have)
}

func (b sandboxed) readOnly(file string) (Denial, bool) {
	fix := "systemd: {service: {ReadWritePaths: [" + path.Dir(file) + "]}}"
	if file == "" {
		fix = "systemd: {service: {ReadWritePaths: [DIRECTORY]}}"
	}
	key := "ProtectSystem"
	switch system := b.value(key); {
	case within(file, "/home", "/root", "/run/user"):
		key = "ProtectHome"
	case file == "" || system == "strict":
	case within(file, "/etc") && system == "full":
	case !within(file, "/usr", "/boot", "/efi") || b.Systemd.Sandbox == Basic && within(file, "/usr/local"):
		key = "ReadOnlyPaths"
	}
	return b.by(key, "", file, fix)
}

func (b sandboxed) home(file string) (Denial, bool) {
	if v := b.value("ProtectHome"); v != "yes" && v != "true" && v != "tmpfs" {
		return Denial{}, false
	}
	return b.by("ProtectHome", "", file, "systemd: {service: {ProtectHome: read-only}}")
}

func (b sandboxed) device(file string) (Denial, bool) {
	if d, ok := b.by("PrivateDevices", "yes", file, `systemd: {service: {PrivateDevices: "no", DeviceAllow: `+file+`}}`); ok {
		return d, true
	}
	return b.by("DevicePolicy", "", file, "systemd: {service: {DeviceAllow: "+file+"}}")
}

// near is the absolute path that an error is about: the last one before its words, else the first after
// them (Python). Perl and PHP name their script after them, and the file before.
func near(line string, begin, end int) string {
	before, after := paths(line[:begin]), paths(line[end:])
	switch {
	case len(before) > 0:
		return before[len(before)-1]
	case len(after) > 0:
		return after[0]
	default:
		return ""
	}
}

// paths finds absolute paths; one that has other bytes than these is cut there, or not found.
func paths(text string) (found []string) {
	for i := 0; i < len(text); i++ {
		if text[i] != '/' || i > 0 && (isPathByte(text[i-1]) || text[i-1] == ':' && i+1 < len(text) && text[i+1] == '/') {
			continue
		}
		j := i
		for j < len(text) && isPathByte(text[j]) {
			j++
		}
		if p := path.Clean(strings.TrimRight(text[i:j], ".,")); p != "/" {
			found = append(found, p)
		}
		i = j
	}
	return found
}

func isPathByte(c byte) bool {
	return c == '/' || c == '.' || c == '-' || c == '_' || c == '+' || c == '@' || c == '~' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

func within(file string, directories ...string) bool {
	return slices.ContainsFunc(directories, func(d string) bool { return file == d || strings.HasPrefix(file, d+"/") })
}
