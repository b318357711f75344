package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// stamp is how times are written for programs: always 20 bytes, to the second.
const stamp = "2006-01-02T15:04:05Z"

// Ages are not written by the templates: they change all the time, and a part
// of the page that differs by an age only has not changed. The templates leave
// them out, aged fills them in, and in the browser page.js does.
const (
	ageOpen  = `<time datetime="`
	ageClose = `></time>`
)

// age leaves room for the age of t.
func age(t time.Time, zone *time.Location) template.HTML {
	if t.IsZero() {
		return "?"
	}
	return template.HTML(ageOpen + t.UTC().Format(stamp) + `" title="` + clock(t, zone) + `"` + ageClose)
}

// clock is a time for people.
func clock(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// aged fills in the ages.
func aged(text string, now time.Time) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	for {
		before, after, found := strings.Cut(text, ageOpen)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(ageOpen)
		tag, rest, closed := strings.Cut(after, ageClose)
		then, err := time.Parse(stamp, tag[:min(len(tag), len(stamp))])
		if !closed || err != nil {
			b.WriteString(after)
			return b.String()
		}
		b.WriteString(tag + ">" + ageText(now.Sub(then)) + "</time>")
		text = rest
	}
}

// ageText is a time span in one unit or two: 45s, 12m, 3h5m, 4d; "in 3s" when it
// is yet to come. page.js has the same rules.
func ageText(d time.Duration) string {
	d = d.Truncate(time.Second)
	switch {
	case d < 0:
		return "in " + ageText(-d)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// none is what is shown of what does not apply; what could not be learned is "?".
const none = "–"

func optional(n *int) string {
	if n == nil {
		return "?"
	}
	return strconv.Itoa(*n)
}

func seconds(s *float64) string {
	switch {
	case s == nil:
		return "?"
	case *s == 0:
		return none
	case *s < 10:
		return strconv.FormatFloat(*s, 'f', 1, 64) + "s"
	}
	return ageText(time.Duration(*s * float64(time.Second)))
}

// duration of something quick, in seconds.
func duration(s float64) string {
	if s < 1 {
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(s, 'f', 1, 64) + " s"
}

func size(n *uint64) string {
	if n == nil {
		return "?"
	}
	v, unit := float64(*n)/1024, 0
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	digits := 0
	if v < 10 && unit > 0 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + units[unit]
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
