package foreign

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// scripts reads shell scripts, such as those of /etc/init.d and the run files of
// daemontools, for what starts FastCGI programs in them.
func (r *reading) scripts(files []Source) {
	var idle []string
	for _, f := range files {
		h := &scriptHost{reading: r, file: f.Name, first: len(r.drafts)}
		switch name := shell.Interpreter(f.Data); {
		case name == "execlineb":
			h.execline(f)
		case !shell.IsShell(name):
			r.note(place{f.Name, 1}, "", "is a script of %s, which which import does not read; give its command line: fcgisup import -- spawn-fcgi …", name)
			continue
		case isUpstart(f.Data):
			h.follow(shell.Script{File: f.Name, Text: []byte(h.upstart(f))})
		default:
			h.follow(shell.Script{File: f.Name, Path: r.path(f.Name), Text: f.Data})
		}
		h.settle()
		if len(r.drafts) == h.first && h.refused == 0 {
			if !r.lent[f.Name] {
				idle = append(idle, f.Name)
			}
			continue
		}
		for _, n := range h.pending {
			r.keepNote(n)
		}
	}
	for _, name := range idle {
		if !r.lent[name] {
			r.note(place{name, 0}, "", "no command line of spawn-fcgi with its socket was understood, or the script starts none as it is set up; give the command line: fcgisup import -- spawn-fcgi …")
		}
	}
}

// scriptHost hears what a script does.
type scriptHost struct {
	*reading
	file string
	// by is what surrounds the script.
	by spawning
	// outer is the launch whose shell this is.
	outer *launch
	// first is the first of the script's drafts.
	first   int
	refused int
	// pending are notes that matter only if the script starts something.
	pending []Note
}

// follow reports an error where it stands; what the script started before it is left out.
func (h *scriptHost) follow(s shell.Script) {
	err := shell.Run(s, h)
	var syntax *shell.SyntaxError
	switch {
	case err == nil:
		return
	case errors.As(err, &syntax):
		h.note(placed(syntax.At), "", "%v", err)
	default:
		h.note(place{h.file, 0}, "", "%v: left out", err)
	}
	h.drafts = h.drafts[:h.first]
	h.refused++
}

// followShell follows the text of sh -c in a unit or a section.
func followShell(l *launch, text string, args []shell.Word) bool {
	at := shell.Place{File: l.at.file, Line: l.at.line}
	h := &scriptHost{reading: l.reading, file: l.at.file, outer: l, first: len(l.drafts)}
	h.follow(shell.Script{File: l.at.file, Text: []byte(text), At: &at, Env: l.shellEnv, Dir: firstOf(l.directory.Text, l.by.directory), Args: args})
	h.settle()
	if len(l.drafts) > h.first || h.refused > 0 {
		for _, n := range h.pending {
			l.keepNote(n)
		}
	}
	return h.refused > 0
}

// Remark keeps what matters if the script starts a program.
func (h *scriptHost) Remark(at shell.Place, directive, text string) {
	h.pending = append(h.pending, Note{at.File, at.Line, directive, text})
}

// File lends a file that was given too.
func (h *scriptHost) File(name string) (string, []byte, bool) {
	f, ok := h.lend(name)
	return f.Name, f.Data, ok
}

// Started counts apps, and those that were left out.
func (h *scriptHost) Started() int { return len(h.drafts) + h.refused }

// Alternatives follows branches; if several start a program, none of them is imported.
func (h *scriptHost) Alternatives(_ shell.Place, why string, branches []func()) {
	before, starts := len(h.drafts), 0
	for _, follow := range branches {
		drafts, refused := len(h.drafts), h.refused
		follow()
		if len(h.drafts) > drafts || h.refused > refused {
			starts++
		}
	}
	if starts > 1 && len(h.drafts) > before {
		for _, d := range h.drafts[before:] {
			h.note(d.at, "", "which program is started depends on %s: %s is left out", why, d.of)
		}
		h.drafts = h.drafts[:before]
		h.refused++
	}
}

// Command takes a command that starts a FastCGI program, or remarks on it.
func (h *scriptHost) Command(c *shell.Command) shell.Status {
	argv := c.Argv
	if argv[0].Text == "eval" {
		argv = argv[1:]
	}
	at := placed(c.At)
	by := h.by
	if h.outer != nil {
		by = h.outer.by
	}
	l := h.launch(at, argv, by)
	h.surround(l, c)
	l.run = func(inner *launch, text string, args []shell.Word) bool {
		outer, refused := h.outer, h.refused
		h.outer = inner
		if err := c.Shell(text, args); err != nil {
			h.note(at, "", "%v", err)
			h.refused++
		}
		h.outer = outer
		return h.refused > refused
	}
	before := h.refused
	switch l.read() {
	case imported:
		if c.Maybe != "" {
			h.note(at, "", "whether the script starts it depends on %s; fcgisup starts it always", c.Maybe)
		}
	case refused:
		h.refused = max(h.refused, before+1)
	case unrelated:
		h.besides(c)
	}
	return shell.Maybe
}

// surround gives a launch what the script has set for it.
func (h *scriptHost) surround(l *launch, c *shell.Command) {
	if o := h.outer; o != nil {
		l.user, l.group, l.umask, l.directory = o.user, o.group, o.umask, o.directory
		l.env, l.cleared, l.kept = maps.Clone(o.env), o.cleared, slices.Clone(o.kept)
		l.directives, l.notes = slices.Clone(o.directives), slices.Clone(o.notes)
	}
	l.inherited = c.Exported
	p := c.Process()
	if p.Dir.Text != "" || !p.Dir.OK() {
		l.directory = p.Dir
	}
	if p.Umask.Text != "" {
		l.mean("umask", "umask", p.Umask)
	}
	for _, letter := range slices.Sorted(maps.Keys(p.Limits)) {
		if w := p.Limits[letter]; w.OK() {
			l.ulimit(letter, w.Text)
		} else {
			l.later("ulimit", w.Unknown+": left out")
		}
	}
	for _, a := range c.Assigns {
		if a.Value.OK() {
			l.variableOf(a.Name, a.Value.Text)
		} else {
			l.later(a.Name, a.Value.Unknown+": left out of environment:")
		}
	}
}

// asks are commands that change nothing, or only report.
var asks = words("pidof pidofproc checkproc status_of_proc pgrep pkill killall ps grep egrep fgrep cat id whoami tr cut head tail sed awk sort wc date basename dirname readlink realpath " +
	"getent uname hostname tput success failure passed warning action ls stat expr getopt ebegin eend einfo ewarn eerror eindent eoutdent log " +
	"rc_status rc_reset rc_exit start-stop-daemon nproc getconf seq xargs tee find command dpkg rpm sysctl svc sv true ss netstat")

func words(s string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		set[w] = true
	}
	return set
}

// besides remarks on what the script runs beside the program.
func (h *scriptHost) besides(c *shell.Command) {
	at := placed(c.At)
	if !c.Argv[0].OK() {
		h.Remark(c.At, "", c.Argv[0].Unknown+": what it runs here is not imported")
		return
	}
	name := path.Base(c.Argv[0].Text)
	if c.Quiet || asks[name] && (name != "start-stop-daemon" || daemonStops(c.Argv[1:])) {
		return
	}
	argv := make([]string, len(c.Argv))
	for i, w := range c.Argv {
		argv[i] = w.Text
	}
	if why, ok := h.aboutSocket(argv, h.drafts[min(h.first, len(h.drafts)):], at); ok {
		h.Remark(c.At, name, why)
		return
	}
	h.Remark(c.At, name, "is not taken over: the script runs it, fcgisup does not")
}

// settle makes instances of what a loop has started, and leaves out what cannot be told apart.
func (h *scriptHost) settle() {
	own := slices.Clone(h.drafts[h.first:])
	h.drafts = h.drafts[:h.first]
	byAddress := map[string]*draft{}
	doubtful := map[*draft]bool{}
	for _, d := range own {
		address, _ := d.values["listen"].(string)
		switch other := byAddress[address]; {
		case other == nil:
			byAddress[address] = d
		case other.equal(d, ""):
			doubtful[d] = true // the same, started twice
		default:
			doubtful[d] = true
			if !doubtful[other] {
				doubtful[other] = true
				h.note(other.at, "", "%s: line %d starts another program on %s, and which one is meant is not known: both are left out", other.of, d.at.line, address)
				h.refused++
			}
		}
	}
	own = slices.DeleteFunc(own, func(d *draft) bool { return doubtful[d] })
	for len(own) > 0 {
		n := 1
		for n < len(own) && own[n].at == own[0].at && own[n].equal(own[0], "listen") {
			n++
		}
		if n > 1 && row(own[:n]) {
			own[0].set("instances", n, own[0].at)
			h.keep(own[0])
			own = own[n:]
			continue
		}
		h.keep(own[0])
		own = own[1:]
	}
}

// row makes one address of those that are numbered from 1, or ports in a row.
func row(all []*draft) bool {
	texts := make([]string, len(all))
	for i, d := range all {
		texts[i], _ = d.values["listen"].(string)
	}
	if !strings.HasPrefix(texts[0], "/") {
		at := strings.LastIndexByte(texts[0], ':') + 1
		port, _ := wholeNumber(texts[0][at:])
		for i, text := range texts {
			if text != texts[0][:at]+strconv.Itoa(port+i) {
				return false
			}
		}
		return true
	}
	for at := range texts[0] {
		if texts[0][at] != '1' {
			continue
		}
		before, behind := texts[0][:at], texts[0][at+1:]
		matches := true
		for i, text := range texts {
			matches = matches && text == before+strconv.Itoa(i+1)+behind
		}
		if matches {
			all[0].set("listen", before+"%i"+behind, all[0].places["listen"])
			return true
		}
	}
	return false
}

func placed(p shell.Place) place { return place{p.File, p.Line} }

func shellPlace(p place) shell.Place { return shell.Place{File: p.file, Line: p.line} }
