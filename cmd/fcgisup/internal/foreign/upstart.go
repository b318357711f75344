package foreign

import "strings"

// upstartStanza is what tells a job of Upstart, init(5), from a shell script.
var upstartStanza = pattern(`(?m)^[ \t]*(start[ \t]+on|stop[ \t]+on|respawn|expect[ \t]+(fork|daemon|stop)|set[ug]id[ \t]+\S+|end[ \t]+script)\b`)

// isUpstart reports whether a file that starts a FastCGI program is a job of Upstart.
func isUpstart(text []byte) bool {
	return !strings.HasPrefix(string(text), "#!") && upstartStanza().Match(text)
}

// upstartJob is a job under way: its stanzas, and the shell text of its main process.
type upstartJob struct {
	*scriptHost
	at place
	// first are commands of the shell that do what stanzas about the process ask for.
	first []string
	// body has the lines of the main process where they stand, and is empty elsewhere.
	body []string
	// settings are given to the app.
	settings []func(*draft)
	// refusal is why no app can be made of it.
	refusal string
}

// upstart reads a job of Upstart: its main process as a shell script, which Upstart runs too, its stanzas as settings.
func (h *scriptHost) upstart(f Source) string {
	j := &upstartJob{scriptHost: h, at: place{f.Name, 0}}
	lines := strings.Split(string(f.Data), "\n")
	j.body = make([]string, len(lines))
	for n := 0; n < len(lines); n++ {
		j.at.line = n + 1
		stanza, rest, _ := strings.Cut(strings.TrimSpace(lines[n]), " ")
		rest = strings.TrimSpace(rest)
		last := n
		for last+1 < len(lines) && (strings.HasSuffix(lines[last], `\`) || strings.Count(rest, "(") > strings.Count(rest, ")")) {
			last++
			rest = strings.TrimSuffix(rest, `\`) + " " + strings.TrimSpace(lines[last])
		}
		switch {
		case stanza == "" || strings.HasPrefix(stanza, "#"):
			continue // an apostrophe or a backslash at the end of a comment joins no lines
		case stanza == "exec":
			copy(j.body[n:], lines[n:last+1])
		case stanza == "script":
			n = j.script(lines, n, true)
			continue
		case strings.HasPrefix(stanza, "pre-") || strings.HasPrefix(stanza, "post-"):
			j.Remark(shellPlace(j.at), stanza, "is not taken over: Upstart runs it, fcgisup does not")
			if rest == "script" {
				n = j.script(lines, n, false)
				continue
			}
		default:
			j.stanza(stanza, rest)
		}
		n = last
	}
	if j.refusal != "" {
		h.note(place{f.Name, 0}, "", "%s: the job is left out", j.refusal)
		h.refused++
		return ""
	}
	h.by.more = func(d *draft) {
		d.set("limits.stop_timeout", "5s", place{f.Name, 0}) // "kill timeout" by default
		for _, set := range j.settings {
			set(d)
		}
	}
	return j.text()
}

// text is the main process as a script; what must happen before it stands on its first line, so that lines keep their numbers.
func (j *upstartJob) text() string {
	for n, line := range j.body {
		if strings.TrimSpace(line) != "" {
			j.body[n] = strings.Join(append(j.first, line), "; ")
			break
		}
	}
	return strings.Join(j.body, "\n")
}

// script keeps the lines of a block if they are those of the main process, and returns the line of its end.
func (j *upstartJob) script(lines []string, n int, keep bool) int {
	for n++; n < len(lines); n++ {
		if fields := strings.Fields(lines[n]); len(fields) == 2 && fields[0] == "end" && fields[1] == "script" {
			break
		}
		if keep {
			j.body[n] = lines[n]
		}
	}
	return n
}

// stanza takes one over, or remarks on it.
func (j *upstartJob) stanza(name, value string) {
	at := j.at
	set := func(key string, v any) {
		j.settings = append(j.settings, func(d *draft) { d.set(key, v, at) })
	}
	directive := func(key, v string) {
		j.settings = append(j.settings, func(d *draft) { d.only("service", key, v, at) })
	}
	word, more, _ := strings.Cut(value, " ")
	more = strings.TrimSpace(more)
	switch {
	case name == "setuid":
		j.by.user = value
	case name == "setgid":
		j.by.group = value
	case name == "chroot":
		j.refusal = "chroot has no counterpart, since each path would mean another file"
	case name == "chdir":
		j.first = append(j.first, "cd "+value)
	case name == "umask":
		j.first = append(j.first, "umask "+value)
	case name == "env" && strings.Contains(value, "="):
		j.first = append(j.first, "export "+value)
	case name == "description":
		set("description", strings.Trim(value, `"'`))
	case name == "nice":
		directive("Nice", value)
	case name == "limit" && len(strings.Fields(more)) == 2:
		directive("Limit"+strings.ToUpper(word), strings.ReplaceAll(strings.Join(strings.Fields(more), ":"), "unlimited", "infinity"))
	case name == "oom" && word == "score":
		directive("OOMScoreAdjust", strings.Replace(more, "never", "-1000", 1))
	case name == "kill" && word == "signal":
		signal, ok := signalName(more)
		if !ok {
			j.Remark(shellPlace(at), "kill signal", "is not a signal: left out")
			return
		}
		set("stop_signal", signal)
	case name == "kill" && word == "timeout":
		set("limits.stop_timeout", more+"s")
	default:
		j.Remark(shellPlace(at), name, upstartMeaning(name))
	}
}

// upstartMeaning says what becomes of a stanza that is not taken over.
func upstartMeaning(name string) string {
	switch name {
	case "start", "stop", "manual":
		return "no counterpart: systemd starts the app at boot; after: and requires: of the app order it"
	case "respawn", "normal", "task":
		return "no counterpart: a worker that ends is always replaced"
	case "expect":
		return "no counterpart: the program stays in the foreground"
	case "author", "version", "usage", "emits":
		return "no counterpart"
	case "console":
		return "no counterpart: output goes to the journal"
	case "reload":
		return "no counterpart: fcgisup reload replaces workers"
	default:
		return "no counterpart: left out"
	}
}
