package page

import (
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

func TestVerdict(t *testing.T) {
	up := monitor.Instance{Health: monitor.Up}
	down := monitor.Instance{Health: monitor.Down}
	still := monitor.Instance{Health: monitor.Down, Intended: true} // whatever was meant: no client is served
	asleep := monitor.Instance{Health: monitor.Asleep}
	stopped := monitor.Instance{Health: monitor.Stopped}
	unknown := monitor.Instance{Health: monitor.Unknown}
	saturated := monitor.Instance{Health: monitor.Up, Status: &control.Status{State: control.Saturated}}
	failing := monitor.Instance{Health: monitor.Up, Probe: &control.ProbeStatus{Class: "timeout", Failures: 1}}
	skipped := monitor.Instance{Health: monitor.Up, Probe: &control.ProbeStatus{Skipped: "busy"}}
	unread := monitor.Instance{Health: monitor.Asleep, Status: &control.Status{State: control.Sleeping, ConfigError: "x"}}
	for _, c := range []struct {
		in    []monitor.Instance
		level level
		text  string
	}{
		{nil, quiet, "No apps are configured."},
		{[]monitor.Instance{up}, good, "All is well."},
		{[]monitor.Instance{up, asleep, stopped, skipped}, good, "All is well."},
		{[]monitor.Instance{asleep, asleep}, quiet, "All is well, and asleep."},
		{[]monitor.Instance{stopped, stopped}, quiet, "Everything was stopped by an operator."},
		{[]monitor.Instance{up, down}, bad, "1 of 2 instances is down."},
		{[]monitor.Instance{down, down, unknown, saturated}, bad, "2 of 4 instances are down, 1 up but strained, 1 unknown."},
		{[]monitor.Instance{up, still}, bad, "1 of 2 instances is down."},
		{[]monitor.Instance{up, unknown}, warn, "Nothing is unexpectedly down; 1 unknown."},
		{[]monitor.Instance{saturated, failing}, warn, "Nothing is unexpectedly down; 2 up but strained."},
		{[]monitor.Instance{unread}, warn, "Nothing is unexpectedly down; 1 with a configuration not taken."},
	} {
		r := &monitor.Report{At: sampleAt, Apps: []monitor.App{{Name: "a", Instances: c.in}}}
		if got := judge(r, sampleAt, time.Minute); got.Level != c.level || got.Text != c.text {
			t.Errorf("got %s: %s\nwant %s: %s", got.Level, got.Text, c.level, c.text)
		}
	}
}

// A report that grows old is no longer good news.
func TestStale(t *testing.T) {
	r := &monitor.Report{At: sampleAt, Apps: []monitor.App{{Name: "a", Instances: []monitor.Instance{{Health: monitor.Up}}}}}
	if got := judge(r, sampleAt.Add(61*time.Second), time.Minute); got.Level != warn {
		t.Errorf("a report of a minute ago is %s: %s", got.Level, got.Text)
	}
	r.ConfigError = "x"
	if got := judge(r, sampleAt, time.Minute); got.Level != warn {
		t.Errorf("with a configuration that was not taken the host is %s", got.Level)
	}
}
