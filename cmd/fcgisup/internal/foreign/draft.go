package foreign

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// draft is an app as far as it is known.
type draft struct {
	name string
	// of says what it was made of, for a comment.
	of string
	at place
	// values are by the key's path below the app: string, int, []string,
	// map[string]string or map[string][]string.
	values map[string]any
	places map[string]place
	// secrets tells that a variable looks like one.
	secrets bool
}

// draft begins an app.
func (r *reading) draft(name, of string, at place) *draft {
	if r.opt.Name != "" {
		name = r.opt.Name
	}
	return &draft{name: name, of: shortened(of), at: at, values: map[string]any{}, places: map[string]place{}}
}

// maxApps bounds the apps of one import.
const maxApps = 500

// keep adds a finished app.
func (r *reading) keep(d *draft) {
	if len(r.drafts) == maxApps {
		r.note(d.at, "", "%s is left out, and what comes after it: an import makes at most %d apps", d.of, maxApps)
		return
	}
	r.drafts = append(r.drafts, d)
}

// shortened is a name that is shown in many notes.
func shortened(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// equal compares all values but one.
func (d *draft) equal(other *draft, but string) bool {
	same := func(a, b map[string]any) bool {
		for key, v := range a {
			if key != but && !reflect.DeepEqual(v, b[key]) {
				return false
			}
		}
		return true
	}
	return d.name == other.name && same(d.values, other.values) && same(other.values, d.values)
}

func (d *draft) set(key string, value any, at place) {
	if text, ok := value.(string); ok && key == "listen" && strings.HasPrefix(text, "/var/run/") {
		value = strings.TrimPrefix(text, "/var") // one is a link to the other, file-hierarchy(7)
	}
	d.values[key] = value
	d.places[key] = at
}

// into gives another draft what it has not.
func (d *draft) into(other *draft) {
	for key, v := range d.values {
		switch already := other.values[key].(type) {
		case nil:
			other.set(key, v, d.places[key])
		case map[string]string: // -C of the command line, and the section's environment
			more, _ := v.(map[string]string)
			for name, value := range more {
				if _, ok := already[name]; !ok {
					already[name] = value
				}
			}
		}
	}
	other.secrets = other.secrets || d.secrets
}

func (d *draft) has(key string) bool { return d.values[key] != nil }

// variable adds one to the environment.
func (r *reading) variable(d *draft, name, value string, at place) {
	env, _ := d.values["environment"].(map[string]string)
	if env == nil {
		env = map[string]string{}
	}
	env[name] = value
	d.set("environment", env, at)
	if secret(name, value) {
		d.secrets = true
		r.note(at, name, "looks like a secret and is kept as it is: everybody who may read the file reads it; environment_file: names one that only root reads")
	}
}

var (
	secretName = pattern(`(?i)(^|_)(pass|pw|pwd|token|key|dsn|credentials?)(_|$)|passw|secret|apikey`)
	secretURL  = pattern(`^[a-zA-Z][a-zA-Z0-9+.-]*://[^/@\s:]*:[^/@\s]+@`)
)

func secret(name, value string) bool {
	return value != "" && (secretName().MatchString(name) || secretURL().MatchString(value))
}

// directive adds a value to systemd.socket or systemd.service.
func (d *draft) directive(section, key, value string, at place) {
	path := "systemd." + section
	all, _ := d.values[path].(map[string][]string)
	if all == nil {
		all = map[string][]string{}
	}
	all[key] = append(all[key], value)
	d.values[path] = all
	d.places[path+"."+key] = at
	d.places[path] = at
}

// only sets a directive that counts once.
func (d *draft) only(section, key, value string, at place) {
	if all, ok := d.values["systemd."+section].(map[string][]string); ok {
		delete(all, key)
	}
	d.directive(section, key, value, at)
}

// command checks the program's path, and looks for one without.
func (r *reading) command(d *draft, argv []string, directive string, at place) bool {
	if len(argv) == 0 {
		r.note(at, directive, "is empty: %s is left out", d.of)
		return false
	}
	program := argv[0]
	if !strings.HasPrefix(program, "/") {
		found, err := "", fmt.Errorf("a relative path")
		if !strings.Contains(program, "/") {
			found, err = r.opt.Look(program)
		}
		if err != nil || !strings.HasPrefix(found, "/") {
			r.note(at, directive, "%s has no absolute path, and it was not found here: %s is left out", program, d.of)
			return false
		}
		r.note(at, directive, "%s is taken to be %s", program, found)
		argv = append([]string{found}, argv[1:]...)
	}
	if why, sure := speaks(argv); sure {
		r.note(at, directive, "%s: %s is left out", why, d.of)
		return false
	} else if why != "" {
		r.note(at, directive, "%s", why)
	}
	d.set("command", argv, at)
	return true
}

// group is a user's primary group, for a socket that was owned by a user alone.
func (r *reading) group(user, directive string, at place) string {
	if user == "root" || user == "0" {
		return "root"
	}
	if g, ok := r.opt.PrimaryGroup(user); ok {
		return g
	}
	r.note(at, directive, "the primary group of %s is not known here; taken to be %s", user, user)
	return user
}

// signalName is a signal by name or number.
func signalName(s string) (string, bool) {
	name := strings.ToUpper(strings.TrimSpace(s))
	if n, ok := wholeNumber(name); ok {
		if known := unix.SignalName(unix.Signal(n)); known != "" {
			return known, true
		}
		return "", false
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	return name, unix.SignalNum(name) != 0
}

// appName makes a name of another manager's: lower-case letters, digits, dashes.
func appName(s string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s)), "-")
	if len(name) > 64 {
		name = strings.TrimRight(name[:64], "-")
	}
	if name == "" {
		return "app"
	}
	return name
}

// nameApart gives every app a name of its own.
func (r *reading) nameApart() {
	taken, next := map[string]bool{}, map[string]int{}
	for _, d := range r.drafts {
		name := d.name
		for n := max(next[name], 2); taken[d.name]; n++ {
			d.name = fmt.Sprintf("%s-%d", name[:min(len(name), 60)], n)
			next[name] = n + 1
		}
		if d.name != name {
			r.note(d.at, "", "%s is called %s: there is another %s", d.of, d.name, name)
		}
		taken[d.name] = true
	}
}

// settle writes the file, and leaves out what fcgisup would not take: a value, or
// the app if it is nothing without. First each app by itself, then all together.
func (r *reading) settle() []byte {
	var good []*draft
	for _, d := range r.drafts {
		if left, _ := r.agree([]*draft{d}); len(left) == 1 {
			good = append(good, d)
		}
	}
	var text []byte
	r.drafts, text = r.agree(good)
	return text
}

// agree leaves out what is wrong until nothing is. Each round leaves out something, so it ends.
func (r *reading) agree(drafts []*draft) ([]*draft, []byte) {
	for len(drafts) > 0 {
		text := write(drafts)
		_, err := fcgisup.Parse("the result", text)
		if err == nil {
			return drafts, text
		}
		var wrong fcgisup.Errors
		if !errors.As(err, &wrong) {
			r.note(drafts[0].at, "", "left out, fcgisup refuses it: %v", err)
			return nil, nil
		}
		seen := map[*draft]bool{}
		for _, w := range wrong {
			drafts = r.removeRefused(drafts, w, seen)
		}
	}
	return nil, nil
}

// essential is what an app is nothing without.
var essential = []string{"command", "listen", "instances", "workers", "user", "group", "socket.user", "socket.group", "socket.mode"}

// removeRefused takes the value that an error is about out, or the app; one error of each app counts in a round.
func (r *reading) removeRefused(drafts []*draft, wrong *fcgisup.Error, seen map[*draft]bool) []*draft {
	rest, _ := strings.CutPrefix(wrong.Key, "apps.")
	name, key, _ := strings.Cut(rest, ".")
	i := slices.IndexFunc(drafts, func(d *draft) bool { return d.name == name })
	switch {
	case i >= 0:
	case len(seen) > 0 || len(drafts) == 0:
		return drafts
	default:
		i = 0 // not about an app that we know: the first has to go, so that there is an end
	}
	d := drafts[i]
	if seen[d] {
		return drafts
	}
	seen[d] = true
	for _, path := range slices.Sorted(maps.Keys(d.values)) {
		if key != path && !strings.HasPrefix(key, path+".") && !strings.HasPrefix(key, path+"[") {
			continue
		}
		if slices.Contains(essential, path) {
			break
		}
		at := d.places[path]
		if item, ok := strings.CutPrefix(key, path+"."); ok && d.drop(path, item) {
			r.note(d.placeOf(path, item, at), item, "left out, fcgisup refuses it: %s", wrong.Msg)
			return drafts
		}
		delete(d.values, path)
		r.note(at, path, "left out, fcgisup refuses it: %s", wrong.Msg)
		return drafts
	}
	r.note(d.at, key, "%s is left out, fcgisup refuses it: %s", d.of, wrong.Msg)
	return slices.Delete(drafts, i, i+1)
}

func (d *draft) placeOf(path, item string, fallback place) place {
	item, _, _ = strings.Cut(item, "[")
	if at, ok := d.places[path+"."+item]; ok {
		return at
	}
	return fallback
}

// drop takes one entry out of a mapping; false if it is none.
func (d *draft) drop(path, item string) bool {
	item, _, _ = strings.Cut(item, "[")
	switch m := d.values[path].(type) {
	case map[string]string:
		if _, ok := m[item]; ok {
			delete(m, item)
			return true
		}
	case map[string][]string:
		if _, ok := m[item]; ok {
			delete(m, item)
			return true
		}
	}
	return false
}
