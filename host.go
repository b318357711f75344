package fcgisup

import (
	"path"
	"strings"
	"time"
)

// Monitor is the host's daemon, "fcgisup monitor".
type Monitor struct {
	// Listen is where its page, its metrics and its API are: a unix path or IP:PORT.
	Listen Address
	// TokenFile holds the secret that callers present; empty: none is asked for,
	// which only loopback and unix addresses may do.
	TokenFile string
	// Interval is from one look at all instances to the next, at least a second.
	Interval time.Duration
}

// Alerts is what "fcgisup monitor" tells people, and when.
type Alerts struct {
	// For is how long an instance is down before anybody hears of it.
	For time.Duration
	// Repeat is from one message about what is still down to the next; 0: never.
	Repeat time.Duration
	// To are the receivers, each with a name of its own; without any, no alert is sent.
	To []Receiver
}

// Receiver is one way to tell people. Exactly one of URLFile, URLEnv and Exec is
// set: a secret is never in the configuration, which many may read.
type Receiver struct {
	// Name stands for the target in logs, metrics and "alert test"; absent, it is
	// made of the file's, the variable's or the program's name.
	Name string
	// URLFile is a file with a shoutrrr URL, read at each sending.
	URLFile string
	// URLEnv is the environment variable that holds one.
	URLEnv string
	// Exec is an argv, never given to a shell; Exec[0] is absolute.
	Exec []string
}

// Kind is the key that says how the target is reached.
func (t Receiver) Kind() string {
	switch {
	case t.URLFile != "":
		return "url_file"
	case t.URLEnv != "":
		return "url_env"
	}
	return "exec"
}

// ownName is the target's name when the file gives none.
func (t Receiver) ownName() string {
	name := t.URLFile + t.URLEnv
	if name == "" && len(t.Exec) > 0 {
		name = t.Exec[0]
	}
	name = path.Base(name)
	if ext := path.Ext(name); ext != name {
		name = strings.TrimSuffix(name, ext)
	}
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name)), "-")
	if name == "" {
		return "target"
	}
	return name[:min(len(name), maxName)]
}
