package foreign

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// optional are meanings that an app works without: an unknown value is remarked on.
var optional = map[string]bool{
	"keep": true, "skip": true, "pidfile": true, "note": true, "output": true, "retry": true, "envdir": true, "envuser": true, "backlog": true,
	"dir": true, "Nice": true, "umask": true, "iosched": true, "procsched": true, "signal": true, "env": true, "shell": true, "lock": true, "argv0": true,
}

// mean applies one option or operand.
func (l *launch) mean(name, meaning string, w shell.Word) {
	if !w.OK() {
		l.meanUnknown(name, meaning, w)
		return
	}
	v := w.Text
	if who[meaning] && v == "" {
		l.wrong = name + " names an empty user or group"
		return
	}
	kept := map[string]*string{
		"socket": &l.socket, "port": &l.port, "host": &l.host, "mode": &l.mode, "socket-user": &l.owner, "socket-group": &l.team,
		"user": &l.user, "group": &l.group, "line": &l.line, "program": &l.program, "startas": &l.startas, "variable": &l.named,
	}
	if to := kept[meaning]; to != nil {
		*to = v
		return
	}
	switch meaning {
	case "keep", "skip", "shell":
	case "backlog":
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			l.later("-b", quoted(v)+" is not a number: left out")
			return
		}
		l.backlog = n
	case "account": // user[:group[:more]] of chpst; a user's own group otherwise
		l.account(name, v)
	case "user-or-owner":
		if v != "root" && l.user == "" { // Debian's -u only matches a process, OpenRC's becomes the user
			l.owned(name, v)
		}
	case "owner":
		l.owned(name, strings.Replace(v, ".", ":", 1))
	case "stops":
		l.stops = true
	case "script":
		l.script = &v
	default:
		l.meanMore(name, meaning, v)
	}
}

// who are meanings that name a user or a group.
var who = words("user account owner user-or-owner group socket-user socket-group")

// owned takes USER:GROUP.
func (l *launch) owned(name, v string) {
	user, group, both := strings.Cut(v, ":")
	if user == "" || both && group == "" {
		l.wrong = name + " " + quoted(v) + " does not name both a user and a group"
		return
	}
	l.user, l.group = user, group
}

// account takes [:]USER[:GROUP[:GROUP…]] of runit's programs; behind a colon all are numbers.
func (l *launch) account(name, v string) {
	rest, numeric := strings.CutPrefix(v, ":")
	user, groups, _ := strings.Cut(rest, ":")
	group, more, _ := strings.Cut(groups, ":")
	_, isUser := wholeNumber(user)
	_, isGroup := wholeNumber(group)
	switch {
	case numeric && (!isUser || !isGroup || strings.HasPrefix(name, "s6-")):
		l.wrong = name + " " + quoted(v) + " does not name a user and a group by number"
		return
	case user == "":
		l.wrong = name + " " + quoted(v) + " does not name a user"
		return
	case more != "":
		l.later(name, "the groups "+more+" besides have no counterpart: systemd: {service: {SupplementaryGroups: …}} of an app")
	}
	l.user, l.group = user, group
}

// maxForks is more than any app has: two such numbers can be multiplied.
const maxForks = 1 << 20

// meanMore applies what is not a program, a socket or a user.
func (l *launch) meanMore(name, meaning, v string) {
	switch meaning {
	case "children", "forks":
		l.processes(name, meaning, v)
	case "signal":
		if signal, ok := signalName(v); ok {
			l.signal = signal
		} else {
			l.later("--signal", quoted(v)+" is not a signal: left out")
		}
	case "pidfile":
		l.later("-P", "no counterpart: fcgisup status has the pids")
	case "refuse":
		l.wrong = name + " has no counterpart, and all paths would mean others"
	case "clear":
		l.env, l.cleared = nil, true
		l.later(name, "an empty environment has no counterpart: systemd's holds little")
	case "unset":
		delete(l.env, v)
		l.later(name, "-u "+v+" has no counterpart: systemd's environment holds little")
	case "dir":
		l.directory = shell.Known(v)
	case "umask":
		l.setUmask(v)
	case "env":
		variable, value, _ := strings.Cut(v, "=")
		l.variableOf(variable, value)
	case "value":
		l.variableOf(l.named, v)
	case "cpus":
		l.cpuList = true
	default:
		if text, known := remarkFor(meaningRemarks, meaning, v); known {
			l.later(name, text)
			return
		}
		l.schedule(name, meaning, v)
	}
}

// meaningRemarks are meanings that have no counterpart.
var meaningRemarks = []remark{
	{"retry", "", "fcgisup never gives up: it waits longer each time, restart: says how long"},
	{"output", "", "what workers print is in the journal, not in {}"},
	{"note", "", "{{}} has no counterpart: left out"},
	{"envdir", "", "the variables in {} are not read: put them into environment: or environment_file:"},
	{"envuser", "", "the variables UID and GID of {} have no counterpart: left out"},
	{"home login", "", "the login environment of the user has no counterpart: systemd sets HOME, USER, LOGNAME and SHELL"},
	{"nogroups", "", "--clear-groups has no counterpart: a worker gets the groups of its user"},
	{"lock", "", "the lock {} has no counterpart: systemd starts a service once"},
	{"argv0", "", "the name {{}} of the process has no counterpart: left out"},
	{"fds", "", "a worker's standard input is the socket, its output goes to the journal: nothing is closed"},
}

func (l *launch) setUmask(v string) {
	if mode, ok := octal(v); ok {
		l.umask = mode
		l.taken("umask", "UMask", mode)
	} else {
		l.later("umask", quoted(v)+" is not an octal number: left out")
	}
}

// directive sets one of systemd's; a later one counts.
func (l *launch) directive(key, value string) {
	l.directives = slices.DeleteFunc(l.directives, func(d [2]string) bool { return d[0] == key })
	l.directives = append(l.directives, [2]string{key, value})
}

func (l *launch) variableOf(name, value string) {
	if l.env == nil {
		l.env = map[string]string{}
	}
	if name != "PATH" || !defaultPath(value) {
		l.env[name] = value
	}
}

// defaultPath reports whether systemd's own PATH has all these directories.
func defaultPath(value string) bool {
	for dir := range strings.SplitSeq(value, ":") {
		switch dir {
		case "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin":
		default:
			return false
		}
	}
	return true
}

// quoted is a text between quotes, so that an empty one is seen.
func quoted(s string) string { return strconv.Quote(s) }

// meanUnknown is mean for a word whose text is not known.
func (l *launch) meanUnknown(name, meaning string, w shell.Word) {
	switch {
	case meaning == "dir":
		l.directory = w
	case optional[meaning] || strings.HasPrefix(meaning, "limit:"):
		l.later(name, w.Unknown+": left out")
	default:
		l.wrong = w.Unknown
	}
}

// processes reads how many there are: PHP's children, or a spawner's forks.
func (l *launch) processes(name, meaning, v string) {
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || n < 0 || n == 0 && meaning == "forks" || n > maxForks:
		l.wrong = quoted(v) + " is not a number of processes"
	case meaning == "forks" && path.Base(name) == "multiwatch":
		l.watched = n
	case meaning == "forks":
		l.forks = n
	default:
		l.children = v
	}
}
