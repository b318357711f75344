package show

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// colours of the states that want attention; the others stay plain.
var colours = map[control.InstanceState]string{
	control.Up:               "32",
	control.Saturated:        "33",
	control.InstanceStarting: "33",
	control.InstanceStopping: "33",
	control.InstanceFailing:  "31",
}

// Table prints a line per instance in aligned columns. Colour comes after the
// alignment, since its codes have no width on a screen.
func Table(w io.Writer, all []control.Status, now time.Time, screen term.Screen) error {
	t := term.Table{
		Header:   []string{"INSTANCE", "STATE", "SINCE", "WORKERS", "QUEUE", "IN FLIGHT", "OLDEST", "RESTARTS", "PROBE", "LAST FAILURE"},
		Optional: []string{"OLDEST", "SINCE", "PROBE", "IN FLIGHT", "RESTARTS", "QUEUE"},
	}
	for _, st := range all {
		t.Rows = append(t.Rows, []string{
			fmt.Sprintf("%s@%d", st.App, st.Instance), string(st.State), age(now, st.Since), workersText(st), queueText(st), inFlightText(st),
			secondsText(st.OldestRequestSeconds), strconv.FormatUint(restarts(st), 10), probeText(st), failureText(st, now),
		})
	}
	for n, line := range t.Lines(screen.Width) {
		if screen.Colour && n > 0 && colours[all[n-1].State] != "" {
			state := string(all[n-1].State)
			line = strings.Replace(line, " "+state, " \x1b["+colours[all[n-1].State]+"m"+state+"\x1b[0m", 1)
		}
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return errors.Join(refusals(w, all), outputs(w, all), denials(w, all, now), notes(w, all))
}

// denials says below the table what the sandbox may have refused, and how to permit it.
func denials(w io.Writer, all []control.Status, now time.Time) error {
	for _, st := range all {
		if st.Denial == nil {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s@%d: %s: %s\n", st.App, st.Instance, ago(now, st.Denial.At), fcgisup.Printable(st.Denial.String())); err != nil {
			return err
		}
	}
	return nil
}

// refusals names below the table the instances whose last reload was refused,
// those with the same reason together.
func refusals(w io.Writer, all []control.Status) error {
	which := map[string][]string{}
	var reasons []string
	for _, st := range all {
		if why := strings.TrimSpace(st.ConfigError); why != "" {
			if which[why] == nil {
				reasons = append(reasons, why)
			}
			which[why] = append(which[why], fmt.Sprintf("%s@%d", st.App, st.Instance))
		}
	}
	for _, why := range reasons {
		line := strings.Join(strings.Fields(strings.ReplaceAll(why, "\n", "; ")), " ")
		if !strings.HasPrefix(line, control.AcceptedNote) {
			line = "the configuration is invalid: " + line + "; the previous one is in use"
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", strings.Join(which[why], ", "), line); err != nil {
			return err
		}
	}
	return nil
}

// age is how long ago, in one unit or two: 45s, 12m, 3h5m, 4d; "-" when that is
// not known.
func age(now, then time.Time) string {
	d := now.Sub(then)
	switch {
	case then.IsZero():
		return "-"
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func ago(now, then time.Time) string {
	if a := age(now, then); a != "now" {
		return a + " ago"
	}
	return "now"
}

// workersText is how many are ready of how many there are.
func workersText(st control.Status) string {
	return fmt.Sprintf("%d/%d", ready(st), len(st.Workers))
}

func ready(st control.Status) int {
	n := 0
	for _, w := range st.Workers {
		if w.State == control.Ready {
			n++
		}
	}
	return n
}

func queueText(st control.Status) string {
	if st.Queue == nil {
		return "?"
	}
	limit := st.QueueLimit
	if limit == nil {
		limit = st.Backlog // of a supervisor that does not limit the queue
	}
	if limit == nil {
		return strconv.Itoa(*st.Queue)
	}
	return fmt.Sprintf("%d/%d", *st.Queue, *limit)
}

// inFlightText adds the idle connections that clients keep, as "1+2 kept".
func inFlightText(st control.Status) string {
	if st.Kept == 0 || st.InFlight == nil {
		return numberText(st.InFlight)
	}
	return fmt.Sprintf("%d+%d kept", *st.InFlight, st.Kept)
}

func numberText(n *int) string {
	if n == nil {
		return "?"
	}
	return strconv.Itoa(*n)
}

// secondsText is an age; there is none of nothing.
func secondsText(s *float64) string {
	switch {
	case s == nil:
		return "?"
	case *s == 0:
		return "-"
	case *s < 10:
		return fmt.Sprintf("%.1fs", *s)
	}
	return age(time.Unix(0, 0).Add(time.Duration(*s*float64(time.Second))), time.Unix(0, 0))
}

func restarts(st control.Status) uint64 {
	var n uint64
	for _, count := range st.Restarts {
		n += count
	}
	return n
}

// probeText is the last probe's verdict. Of workers that have gone it says nothing
// about what is there now.
func probeText(st control.Status) string {
	p := st.Probe
	switch {
	case p == nil, ready(st) == 0:
		return "-"
	case p.Ping == control.PingNone:
		return "none"
	case p.Skipped != "":
		return "busy"
	case !p.OK:
		return string(p.Class)
	}
	return "ok"
}

// tableText bounds a reason in a table, in bytes; --json has all of it.
const tableText = 200

func failureText(st control.Status, now time.Time) string {
	f := st.LastFailure
	switch {
	case f == nil && st.Denial != nil:
		return ago(now, st.Denial.At) + ": the sandbox may forbid something, see below"
	case f == nil:
		return "-"
	}
	return fmt.Sprintf("%s: %s, %s", ago(now, f.At), f.Cause, fcgisup.PrintableAtMost(f.Detail, tableText))
}
