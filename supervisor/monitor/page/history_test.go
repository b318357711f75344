package page

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

func TestHistory(t *testing.T) {
	h := historyOf(spans(monitor.Up, 48*time.Hour, monitor.Down, 12*time.Hour, monitor.Asleep, 12*time.Hour-6*time.Minute, monitor.Stopped, 2*time.Hour, monitor.Down, 90*time.Second), sampleAt, time.UTC)
	want := []bar{
		{monitor.Up, 0, 71, "up 14:10–02:00"},
		{monitor.Asleep, 72, 59, "asleep 02:10–12:00"},
		{monitor.Stopped, 131, 12, "stopped 12:02–14:00"},
		{monitor.Down, 71, 2, "down 02:02–02:08"},
		{monitor.Down, 142, 2, "down since 14:00"},
	}
	if diff := cmp.Diff(want, h.Bars); diff != "" {
		t.Error(diff)
	}
	if h.Downs != 2 || h.Text != "last 24 hours: 99.43 % up, 2 downs" {
		t.Errorf("%d downs: %s", h.Downs, h.Text)
	}
	if !h.Outages[0].Lasting || h.Outages[1].Lasting || h.Outages[1].Length != "6m" {
		t.Errorf("outages %+v", h.Outages)
	}
}

// A span of a second is seen, and a thousand of them are bounded.
func TestHistoryOfFlaps(t *testing.T) {
	var flaps []any
	for i := 2000; i > 0; i-- {
		flaps = append(flaps, monitor.Up, time.Duration(i)*40*time.Second, monitor.Down, time.Duration(i)*40*time.Second-time.Second)
	}
	h := historyOf(spans(flaps...), sampleAt, time.UTC)
	if len(h.Bars) > cells || len(h.Outages) != outagesShown || h.Downs != 2000 || h.Earlier != 1990 {
		t.Errorf("%d bars, %d outages shown of %d, %d earlier", len(h.Bars), len(h.Outages), h.Downs, h.Earlier)
	}
}

// What touches is one outage, and what the clock has muddled does not panic.
func TestHistoryOfOddSpans(t *testing.T) {
	two := []monitor.Span{{From: ago(2 * time.Hour), Until: ago(time.Hour), Health: monitor.Down}, {From: ago(time.Hour), Until: sampleAt, Health: monitor.Down}}
	if h := historyOf(two, sampleAt, time.UTC); h.Downs != 1 || h.Percent != "0 %" {
		t.Errorf("%d downs, %s", h.Downs, h.Percent)
	}
	odd := []monitor.Span{
		{From: sampleAt, Until: ago(time.Hour), Health: monitor.Down},
		{From: sampleAt.Add(time.Hour), Until: sampleAt.Add(2 * time.Hour), Health: monitor.Up},
		{From: ago(100 * day), Until: ago(99 * day), Health: monitor.Up},
		{Health: monitor.Down},
		{From: ago(time.Hour), Until: sampleAt.Add(day), Health: "strange"},
	}
	if h := historyOf(odd, sampleAt, time.UTC); h.Downs != 0 || h.Percent != none {
		t.Errorf("%d downs, %s", h.Downs, h.Percent)
	}
	if h := historyOf(nil, sampleAt, time.UTC); h.Known || h.Text != "no history yet" {
		t.Errorf("no history is %+v", h)
	}
}
