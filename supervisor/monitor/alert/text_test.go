package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// told is the first message of an event after the frames, a look every 5 s.
func told(t *testing.T, event Event, edit func(*monitor.Report), frames ...string) Notification {
	t.Helper()
	m, now := newMachine(), epoch
	for _, f := range frames {
		for range 14 {
			r := frame(f, now)
			edit(r)
			m.observe(takeSnapshot(r), now)
			for _, n := range m.notifications(rules{hold: time.Minute}, now) {
				if n.Event == event {
					return n
				}
			}
			now = now.Add(5 * time.Second)
		}
	}
	t.Fatalf("no %s was told", event)
	return Notification{}
}

func same(*monitor.Report) {}

func TestText(t *testing.T) {
	tests := map[string]struct {
		n           Notification
		title, text string
	}{
		"the only instance": {
			told(t, Down, func(r *monitor.Report) { r.Apps[0].Description = "Request Tracker" }, "D"),
			"DOWN: a on web1",
			"a (Request Tracker): down, and nothing else serves it\n  a@1 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n",
		},
		"one of several": {
			told(t, Down, same, "UDU"),
			"DOWN: a@2 on web1",
			"a: 1 of 3 instances down\n  a@2 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n",
		},
		"a whole app": {
			told(t, Down, same, "DDDDD U"),
			"DOWN: a (all 5 instances) on web1",
			"a: 5 of 5 instances down: nothing serves it\n  a@1, a@2, a@3, a@4, a@5 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n",
		},
		"all that is not stopped": {
			told(t, Down, same, "DDs"),
			"DOWN: a@1, a@2 on web1",
			"a: 2 of 3 instances down, the others are stopped: nothing serves it\n  a@1, a@2 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n",
		},
		"many of an app": {
			told(t, Down, same, "DDDDDU"),
			"DOWN: a (5 of 6 instances) on web1",
			"a: 5 of 6 instances down\n  a@1, a@2, a@3, a@4, a@5 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n",
		},
		"different errors, several apps": {
			told(t, Down, func(r *monitor.Report) { r.Apps[0].Instances[1].Why = "it hangs" }, "DDDU DA"),
			"DOWN: a@1, a@2, a@3, b@1 on web1",
			"a: 3 of 4 instances down\n  a@1, a@3 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n  a@2 down since 2026-01-02 03:04:00 UTC, for 1m: it hangs\n" +
				"b: 1 of 2 instances down\n  b@1 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n",
		},
		"up": {
			told(t, Up, same, "DDD", "UDA", "UDA"),
			"UP: a@1, a@3 on web1",
			"a: 2 instances up again, 1 of 3 still down\n  a@1, a@3 down from 2026-01-02 03:04:00 UTC to 2026-01-02 03:05:10 UTC, for 1m10s: it broke\n",
		},
		"all up": {
			told(t, Up, same, "DD", "UU", "UU"),
			"UP: a (all 2 instances) on web1",
			"a: 2 instances up again, none down\n  a@1, a@2 down from 2026-01-02 03:04:00 UTC to 2026-01-02 03:05:10 UTC, for 1m10s: it broke\n",
		},
		"more than fit": {
			told(t, Down, same, strings.Repeat("D", 22)+" D D D D D"),
			"DOWN: a (all 22 instances), b, c, d, and 2 more apps on web1",
			"a: 22 of 22 instances down: nothing serves it\n" +
				"  a@1, a@2, a@3, a@4, a@5, a@6, a@7, a@8, a@9, a@10, a@11, a@12, a@13, a@14, a@15, a@16, a@17, a@18, a@19, a@20 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n  and 2 more\n" +
				alone("b") + alone("c") + alone("d") + alone("e") + alone("f"),
		},
	}
	for name, test := range tests {
		if test.n.Title != test.title || test.n.Text != test.text {
			t.Errorf("%s:\n%s\n%s\nwant:\n%s\n%s", name, test.n.Title, test.n.Text, test.title, test.text)
		}
	}
}

func alone(app string) string {
	return app + ": down, and nothing else serves it\n  " + app + "@1 down since 2026-01-02 03:04:00 UTC, for 1m: it broke\n"
}

// TestLastError: one line of what is known, and nothing of what the application printed.
func TestLastError(t *testing.T) {
	failure := func(why, detail string) *monitor.Instance {
		return &monitor.Instance{Health: monitor.Down, Why: why, Status: &control.Status{
			LastFailure: &control.Failure{Detail: detail, Output: []string{"password=hunter2"}},
		}}
	}
	tests := []struct {
		in   *monitor.Instance
		want string
	}{
		{&monitor.Instance{Health: monitor.Down}, "no reason is known"},
		{failure("no worker gets ready", "exit status 1"), "no worker gets ready; last failure: exit status 1"},
		{failure("", "exit status 1"), "last failure: exit status 1"},
		{failure("exit status 1, 5 times", "exit status 1"), "exit status 1, 5 times"},
		{failure("a\x1b[31m\nb\x00\xff", ""), `a\x1b[31m\nb\x00\xff`},
		{failure(strings.Repeat("é", 1000), ""), strings.Repeat("é", 198) + "…"},
		{&monitor.Instance{Health: monitor.Up, Why: "x"}, ""},
	}
	for _, test := range tests {
		if got := lastError(test.in); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 400 * time.Millisecond: "0s", 40 * time.Second: "40s", time.Minute: "1m", 70 * time.Second: "1m10s",
		10 * time.Minute: "10m", time.Hour: "1h", 2*time.Hour + 10*time.Minute + 29*time.Second: "2h10m", 100 * time.Hour: "100h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
