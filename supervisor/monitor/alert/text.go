package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var eventWords = map[Event]string{Down: "DOWN", StillDown: "STILL DOWN", Up: "UP", Test: "TEST"}

// maxNamed is how many names a line may hold before they are counted instead.
const maxNamed = 4

// title is the message in a line: "DOWN: rt (all 5 instances), wiki@2 on web1".
func (n Notification) title() string {
	var apps []string
	for i, a := range n.Apps {
		if i == maxNamed {
			apps = append(apps, fmt.Sprintf("and %d more apps", len(n.Apps)-i))
			break
		}
		apps = append(apps, a.subject(n.Event))
	}
	return fmt.Sprintf("%s: %s on %s", eventWords[n.Event], strings.Join(apps, ", "), n.Host)
}

// subject names what of the app has changed, as short as it can.
func (a AppNews) subject(event Event) string {
	switch {
	case a.Instances == 1:
		return a.App
	case a.all(event):
		return fmt.Sprintf("%s (all %d instances)", a.App, a.Instances)
	case a.Changed > maxNamed:
		return fmt.Sprintf("%s (%d of %d instances)", a.App, a.Changed, a.Instances)
	}
	return a.names(a.News)
}

// all reports whether the message is about every instance that is not stopped.
func (a AppNews) all(event Event) bool {
	if event == Up {
		return a.Changed == a.Instances
	}
	return a.Whole && a.Changed == a.Down && a.Down == a.Instances
}

func (a AppNews) names(news []InstanceNews) string {
	names := make([]string, len(news))
	for i, in := range news {
		names[i] = instanceName(a.App, in.Instance)
	}
	return strings.Join(names, ", ")
}

// maxText bounds a text, in bytes: several services refuse more than 4096, title included.
const maxText = 3000

// shorten cuts a text after the last line that fits.
func shorten(s string, most int) string {
	const rest = "  …\n"
	if len(s) <= most {
		return s
	}
	s = s[:most-len(rest)]
	return s[:strings.LastIndexByte(s, '\n')+1] + rest
}

// text has a paragraph per app: how many, then what went wrong, grouped by error.
func (n Notification) text() string {
	var out strings.Builder
	for _, a := range n.Apps {
		out.WriteString(a.App)
		if a.Description != "" {
			fmt.Fprintf(&out, " (%s)", a.Description)
		}
		fmt.Fprintf(&out, ": %s\n", a.summary(n.Event))
		for _, group := range groupByError(a.News) {
			fmt.Fprintf(&out, "  %s %s\n", a.names(group), describeOutage(n.Event, group, n.At.Location()))
		}
		if more := a.Changed - len(a.News); more > 0 {
			fmt.Fprintf(&out, "  and %d more\n", more)
		}
	}
	return shorten(out.String(), maxText)
}

func (a AppNews) summary(event Event) string {
	switch {
	case a.Instances == 1 && event == Up:
		return "up again"
	case a.Instances == 1:
		return "down, and nothing else serves it"
	case event == Up && a.Down > 0:
		return fmt.Sprintf("%s up again, %d of %d still down", count(a.Changed), a.Down, a.Instances)
	case event == Up:
		return count(a.Changed) + " up again, none down"
	case a.Whole && a.Down < a.Instances:
		return fmt.Sprintf("%d of %d instances down, the others are stopped: nothing serves it", a.Down, a.Instances)
	case a.Whole:
		return fmt.Sprintf("%d of %d instances down: nothing serves it", a.Down, a.Instances)
	}
	return fmt.Sprintf("%d of %d instances down", a.Down, a.Instances)
}

func count(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

// groupByError groups instances by error, in the order of the first of each.
func groupByError(news []InstanceNews) [][]InstanceNews {
	var groups [][]InstanceNews
	for _, in := range news {
		i := slices.IndexFunc(groups, func(g []InstanceNews) bool { return g[0].Error == in.Error })
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], in)
	}
	return groups
}

// describeOutage returns since when a group is or was down, how long, and why; of several, the longest.
func describeOutage(event Event, group []InstanceNews, zone *time.Location) string {
	worst := slices.MaxFunc(group, func(a, b InstanceNews) int { return int(a.down() - b.down()) })
	why := worst.Error
	if why != "" {
		why = ": " + why
	}
	since, long := worst.DownSince.In(zone).Format(clock), formatDuration(worst.down())
	if event == Up {
		return fmt.Sprintf("down from %s to %s, for %s%s", since, worst.UpSince.In(zone).Format(clock), long, why)
	}
	return fmt.Sprintf("down since %s, for %s%s", since, long, why)
}

const clock = "2006-01-02 15:04:05 MST"

// formatDuration rounds to minutes from an hour on, else to seconds: 1h2m, 40s.
func formatDuration(d time.Duration) string {
	if d >= time.Hour {
		d = d.Round(time.Minute)
	} else {
		d = d.Round(time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
