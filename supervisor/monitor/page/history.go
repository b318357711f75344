package page

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

const (
	// historyLength is what a strip shows.
	historyLength = 24 * time.Hour
	// cells is its resolution: 10 minutes, a pixel or so. A cell shows the worst that was in it.
	cells = 144
	// thinnest is the least width of a down, so that the shortest is seen.
	thinnest = 2
	// outagesShown are written out, the newest ones.
	outagesShown = 10
)

// history is the last 24 hours of an instance, to be drawn and to be told.
type history struct {
	Known bool
	// Bars are in cells from the left, downs last: they are drawn over the others.
	Bars []bar
	// Percent of the time in which it was wanted and known that it would have answered.
	Percent string
	Downs   int
	// Text says it in words.
	Text string
	// Outages are the last downs, newest first; Earlier is how many more there were.
	Outages []outage
	Earlier int
}

// bar is a run of cells that show the same.
type bar struct {
	Health   monitor.Health
	X, Width int
	Title    string
}

// outage is a time down.
type outage struct {
	From, Until time.Time
	Length      string
	Lasting     bool
}

// severity orders what one cell shows.
var severity = map[monitor.Health]int{monitor.Asleep: 1, monitor.Up: 2, monitor.Stopped: 3, monitor.Unknown: 4, monitor.Down: 5}

func historyOf(spans []monitor.Span, end time.Time, zone *time.Location) history {
	spans = clip(spans, end)
	if len(spans) == 0 {
		return history{Text: "no history yet"}
	}
	h := history{Known: true, Bars: bars(spans, end, zone)}
	var answering, wanted time.Duration
	h.Outages = outages(spans)
	slices.Reverse(h.Outages)
	if len(h.Outages) > 0 {
		h.Outages[0].Lasting = !h.Outages[0].Until.Before(spans[len(spans)-1].Until)
	}
	for _, s := range spans {
		switch d := s.Until.Sub(s.From); s.Health {
		case monitor.Up, monitor.Asleep:
			answering += d
			wanted += d
		case monitor.Down:
			wanted += d
		case monitor.Stopped, monitor.Unknown:
		}
	}
	h.Downs = len(h.Outages)
	if h.Downs > outagesShown {
		h.Earlier = h.Downs - outagesShown
		h.Outages = h.Outages[:outagesShown]
	}
	h.Percent = percent(answering, wanted)
	h.Text = "last 24 hours: " + h.Percent + " up, " + plural(h.Downs, "down")
	return h
}

// clip leaves what is within the strip.
func clip(spans []monitor.Span, end time.Time) []monitor.Span {
	begin := end.Add(-historyLength)
	var in []monitor.Span
	for _, s := range spans {
		if s.From.Before(begin) {
			s.From = begin
		}
		if s.Until.After(end) {
			s.Until = end
		}
		if s.Until.After(s.From) {
			in = append(in, s)
		}
	}
	return in
}

// outages are the downs, oldest first; what touches is one.
func outages(spans []monitor.Span) []outage {
	var all []outage
	for _, s := range spans {
		if s.Health != monitor.Down {
			continue
		}
		if n := len(all); n > 0 && !all[n-1].Until.Before(s.From) {
			all[n-1].Until = s.Until
		} else {
			all = append(all, outage{From: s.From, Until: s.Until})
		}
		last := &all[len(all)-1]
		last.Length = ageText(last.Until.Sub(last.From))
	}
	return all
}

// percent never rounds up to 100: that is said of no down at all only.
func percent(part, whole time.Duration) string {
	if whole <= 0 {
		return none
	}
	hundredths := math.Floor(float64(part) / float64(whole) * 10000)
	return strconv.FormatFloat(hundredths/100, 'f', -1, 64) + " %"
}

// bars are drawn on a grid that stands still for the length of a cell, so that a
// history in which nothing has happened looks the same a moment later.
func bars(spans []monitor.Span, now time.Time, zone *time.Location) []bar {
	const width = historyLength / cells
	end := now.Add(width - 1).Truncate(width)
	begin := end.Add(-historyLength)
	spans, recorded := clip(spans, end), spans[len(spans)-1].Until
	var shown [cells]monitor.Health
	for _, s := range spans {
		first := int(s.From.Sub(begin) / width)
		last := int((s.Until.Sub(begin) - 1) / width)
		for i := first; i <= last && i < cells; i++ {
			if severity[s.Health] > severity[shown[i]] {
				shown[i] = s.Health
			}
		}
	}
	var all, downs []bar
	for i := 0; i < cells; {
		j := i + 1
		for j < cells && shown[j] == shown[i] {
			j++
		}
		if shown[i] != "" {
			from, until := extent(spans, shown[i], begin.Add(time.Duration(i)*width), begin.Add(time.Duration(j)*width))
			title := string(shown[i]) + " "
			if until.Before(recorded) {
				title += from.In(zone).Format("15:04") + "–" + until.In(zone).Format("15:04")
			} else {
				title += "since " + from.In(zone).Format("15:04")
			}
			if i == 0 && j == cells {
				title = string(shown[i])
			}
			b := bar{shown[i], i, j - i, title}
			if b.Health == monitor.Down {
				b.X, b.Width = min(i, cells-thinnest), max(b.Width, thinnest)
				downs = append(downs, b)
			} else {
				all = append(all, b)
			}
		}
		i = j
	}
	return append(all, downs...)
}

// extent is when h began and ended within a run of cells.
func extent(spans []monitor.Span, h monitor.Health, begin, end time.Time) (from, until time.Time) {
	for _, s := range spans {
		if s.Health != h || !s.Until.After(begin) || !s.From.Before(end) {
			continue
		}
		if from.IsZero() {
			from = latest(s.From, begin)
		}
		until = s.Until
		if until.After(end) {
			until = end
		}
	}
	return from, until
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
