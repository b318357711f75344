package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// level is how much something wants attention: a class in the style sheet and the name of an icon.
type level string

const (
	good  level = "good"
	quiet level = "quiet" // asleep or stopped: nothing to do
	warn  level = "warn"
	bad   level = "bad"
)

func (l level) wrong() bool { return l == warn || l == bad }

// levelOf judges an instance. What the operator did is not bad.
func levelOf(in *monitor.Instance) level {
	switch in.Health {
	case monitor.Down:
		return bad
	case monitor.Asleep, monitor.Stopped:
		if st := in.Status; st != nil && st.ConfigError != "" {
			return warn
		}
		return quiet
	case monitor.Up:
		if strained(in) {
			return warn
		}
		return good
	case monitor.Unknown:
	}
	return warn
}

// strained is up, with something to be seen to.
func strained(in *monitor.Instance) bool {
	if p := probeOf(in); p != nil && !p.OK && p.Skipped == "" {
		return true
	}
	st := in.Status
	return st != nil && (st.ConfigError != "" || st.State == control.Saturated || st.State == control.InstanceFailing)
}

// probeOf is the newest probe, of either sender.
func probeOf(in *monitor.Instance) *control.ProbeStatus {
	if in.Status != nil {
		return in.Status.Probe
	}
	return in.Probe
}

// tally is how many instances are how.
type tally struct {
	All, Wrong, down, strained, unread int
	by                                 map[monitor.Health]int
}

func (t *tally) add(in *monitor.Instance) {
	t.All++
	if t.by == nil {
		t.by = make(map[monitor.Health]int, len(monitor.Healths))
	}
	t.by[in.Health]++
	l := levelOf(in)
	if l.wrong() {
		t.Wrong++
	}
	switch {
	case l == bad:
		t.down++
	case in.Health == monitor.Up && l == warn:
		t.strained++
	case l == warn && in.Health != monitor.Unknown:
		t.unread++
	}
}

// Text is "3 up, 2 asleep".
func (t *tally) Text() string {
	var parts []string
	for _, h := range monitor.Healths {
		if n := t.by[h]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, h))
		}
	}
	return strings.Join(parts, ", ")
}

// verdict is the host in one line.
type verdict struct {
	Level level
	// Text is a sentence, without what changes while all stays well: it is read
	// aloud when it changes. Short is for a title.
	Text, Short string
}

func judge(r *monitor.Report, now time.Time, staleAfter time.Duration) verdict {
	if r == nil {
		return verdict{warn, "Nothing is known yet: the first look is under way.", "not known yet"}
	}
	var t tally
	for i := range r.Apps {
		for j := range r.Apps[i].Instances {
			t.add(&r.Apps[i].Instances[j])
		}
	}
	v := t.verdict()
	if v.Level != bad && r.ConfigError != "" {
		v.Level = warn
	}
	if old := now.Sub(r.At); old > staleAfter {
		v.Level = worse(v.Level, warn)
		v.Text = "Out of date: the last look at this host is more than " + ageText(staleAfter) + " old. Then: " + v.Text
		v.Short = "out of date"
	}
	return v
}

// worse is the worse of two levels.
func worse(a, b level) level {
	if a == bad || b == bad {
		return bad
	}
	if a == warn || b == warn {
		return warn
	}
	return a
}

func (t *tally) verdict() verdict {
	switch {
	case t.All == 0:
		return verdict{quiet, "No apps are configured.", "no apps"}
	case t.down > 0:
		return verdict{bad, fmt.Sprintf("%d of %s %s down%s.", t.down, instances(t.All), be(t.down), t.also()), fmt.Sprintf("%d down", t.down)}
	case t.Wrong > 0:
		also := strings.TrimPrefix(t.also(), ", ")
		return verdict{warn, "Nothing is unexpectedly down; " + also + ".", also}
	case t.by[monitor.Stopped] == t.All:
		return verdict{quiet, "Everything was stopped by an operator.", "stopped"}
	case t.by[monitor.Up] == 0:
		return verdict{quiet, "All is well, and asleep.", "asleep"}
	}
	return verdict{good, "All is well.", "all well"}
}

// also is what wants attention without being bad.
func (t *tally) also() string {
	var text string
	for _, w := range []struct {
		n    int
		what string
	}{
		{t.strained, "up but strained"},
		{t.unread, "with a configuration not taken"},
		{t.by[monitor.Unknown], "unknown"},
	} {
		if w.n > 0 {
			text += fmt.Sprintf(", %d %s", w.n, w.what)
		}
	}
	return text
}

func be(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func instances(n int) string { return plural(n, "instance") }
