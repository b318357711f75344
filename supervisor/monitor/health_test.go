package monitor

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// The units of a host, as systemd has them.
var (
	listening   = Unit{Active: "active", Sub: "listening"}
	connected   = Unit{Active: "active", Sub: "running"}
	dead        = Unit{Active: "inactive", Sub: "dead"}
	starting    = Unit{Active: "activating", Sub: "start"}
	autoRestart = Unit{Active: "activating", Sub: "auto-restart"}
	ending      = Unit{Active: "deactivating", Sub: "stop-sigterm"}
	endingBadly = Unit{Active: "deactivating", Sub: "stop-sigterm", Result: "watchdog"}
	limitHit    = Unit{Active: "failed", Sub: "failed", Result: "service-start-limit-hit"}
	none        = Unit{}
)

func says(state control.InstanceState) *control.Status { return &control.Status{State: state} }

func probed(p control.ProbeStatus) *control.Status {
	return &control.Status{State: control.Up, Probe: &p}
}

func TestJudge(t *testing.T) {
	failing := says(control.InstanceFailing)
	failing.LastFailure = &control.Failure{Cause: control.Crash, Detail: "exit status 1\nand more"}
	rolling := says(control.Up)
	rolling.Rolling = true
	for name, c := range map[string]struct {
		facts
		health   Health
		why      string
		intended bool
	}{
		"asleep, never woken":              {facts{systemd: true, socket: listening, service: none, supervised: true}, Asleep, "", false},
		"asleep, woken before":             {facts{systemd: true, socket: listening, service: dead, supervised: true}, Asleep, "", false},
		"asleep, plain":                    {facts{systemd: true, socket: listening, service: dead}, Asleep, "", false},
		"asleep, its supervisor is awake":  {facts{systemd: true, socket: connected, service: connected, supervised: true, status: says(control.Sleeping)}, Asleep, "", false},
		"up":                               {facts{systemd: true, socket: connected, service: connected, supervised: true, status: says(control.Up)}, Up, "", false},
		"saturated is up":                  {facts{systemd: true, socket: connected, service: connected, supervised: true, status: says(control.Saturated)}, Up, "", false},
		"starting is up":                   {facts{systemd: true, socket: connected, service: starting, supervised: true, status: says(control.InstanceStarting)}, Up, "", false},
		"starting, not yet answering":      {facts{systemd: true, socket: connected, service: starting, supervised: true}, Up, "", false},
		"rolling is intended":              {facts{systemd: true, socket: connected, service: connected, supervised: true, status: rolling}, Up, "", true},
		"failing":                          {facts{systemd: true, socket: connected, service: connected, supervised: true, status: failing}, Down, "crash: exit status 1\\nand more", false},
		"failing without systemd":          {facts{supervised: true, status: failing}, Down, "crash: exit status 1", false},
		"mute":                             {facts{systemd: true, socket: connected, service: connected, supervised: true, silence: "it hangs"}, Unknown, "it hangs", false},
		"a word of another version":        {facts{supervised: true, status: says("levitating")}, Unknown, "levitating", false},
		"going to sleep":                   {facts{systemd: true, socket: connected, service: connected, supervised: true, status: says(control.InstanceStopping), before: Up}, Asleep, "", true},
		"woken a moment ago":               {facts{systemd: true, socket: connected, service: connected, supervised: true, fresh: true, before: Asleep}, Up, "", false},
		"without a control socket":         {facts{systemd: true, socket: connected, service: connected, supervised: true}, Unknown, "no control socket", false},
		"no supervisor, no systemd":        {facts{supervised: true}, Unknown, "systemd does not run here", false},
		"plain without systemd":            {facts{}, Unknown, "systemd does not run here", false},
		"stopping without systemd":         {facts{supervised: true, status: says(control.InstanceStopping)}, Stopped, "", true},
		"stopped":                          {facts{systemd: true, socket: dead, service: dead, supervised: true}, Stopped, "inactive", true},
		"stopped and not even loaded":      {facts{systemd: true, supervised: true}, Stopped, "inactive", true},
		"stopping":                         {facts{systemd: true, socket: ending, service: ending, supervised: true, status: says(control.InstanceStopping)}, Stopped, "deactivating", true},
		"only its socket is stopped":       {facts{systemd: true, socket: dead, service: connected}, Stopped, "although its service runs", true},
		"restarted by the operator":        {facts{systemd: true, socket: listening, service: ending, supervised: true, status: says(control.InstanceStopping), before: Up}, Asleep, "", true},
		"killed by its watchdog":           {facts{systemd: true, socket: listening, service: endingBadly, supervised: true}, Asleep, "", false},
		"its socket has failed":            {facts{systemd: true, socket: limitHit, service: dead}, Down, "service-start-limit-hit", false},
		"its socket has failed under it":   {facts{systemd: true, socket: limitHit, service: connected, supervised: true, status: says(control.Up)}, Down, "connections are refused", false},
		"its socket file is gone":          {facts{systemd: true, socket: listening, service: dead, missing: "/run/a.sock is gone"}, Down, "is gone", false},
		"its socket file is gone under it": {facts{systemd: true, socket: connected, service: connected, supervised: true, status: says(control.Up), missing: "/run/a.sock is gone"}, Down, "is gone", false},
		"its service has failed":           {facts{systemd: true, socket: listening, service: Unit{Active: "failed", Sub: "failed", Result: "timeout"}}, Down, "has failed (timeout)", false},
		"restarted once":                   {facts{systemd: true, socket: connected, service: autoRestart, restarts: 1}, Up, "", false},
		"restarted again and again":        {facts{systemd: true, socket: connected, service: autoRestart, restarts: 3}, Down, "again and again", false},
		"just up again, in a loop":         {facts{systemd: true, socket: connected, service: connected, restarts: 3}, Down, "again and again", false},
		"plain, up":                        {facts{systemd: true, socket: connected, service: connected}, Up, "", false},
		"plain, reloading":                 {facts{systemd: true, socket: connected, service: Unit{Active: "reloading", Sub: "reload"}}, Up, "", false},
		"plain, probes fail":               {facts{systemd: true, socket: connected, service: connected, bad: "probes fail: timeout"}, Down, "timeout", false},
		"plain, being restarted for that":  {facts{systemd: true, socket: connected, service: ending, bad: "probes fail: timeout"}, Down, "timeout", false},
		"one failed probe":                 {facts{supervised: true, failures: 3, before: Up, status: probed(control.ProbeStatus{Failures: 1, Error: "late"})}, Up, "", false},
		"three failed probes":              {facts{supervised: true, failures: 3, before: Up, status: probed(control.ProbeStatus{Failures: 3, Error: "late"})}, Down, "probes fail: late", false},
		"its workers were condemned":       {facts{supervised: true, failures: 3, before: Up, status: probed(control.ProbeStatus{Class: "status"})}, Down, "probes fail: status", false},
		"the next one fails as well":       {facts{supervised: true, failures: 3, before: Down, status: probed(control.ProbeStatus{Failures: 1, Error: "late"})}, Down, "late", false},
		"then it is too busy for a probe":  {facts{supervised: true, failures: 3, before: Down, status: probed(control.ProbeStatus{OK: true, Skipped: "busy"})}, Down, "too busy", false},
		"busy, and well before":            {facts{supervised: true, failures: 3, before: Up, status: probed(control.ProbeStatus{OK: true, Skipped: "busy"})}, Up, "", false},
		"a good probe":                     {facts{supervised: true, failures: 3, before: Down, status: probed(control.ProbeStatus{OK: true})}, Up, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(c.facts)
			if v.health != c.health || v.intended != c.intended || !strings.Contains(v.why, c.why) {
				t.Errorf("%+v, want %s %q intended %v", v, c.health, c.why, c.intended)
			}
			if quiet := v.health == Up || v.health == Asleep; quiet != (v.why == "") {
				t.Errorf("%s because %q", v.health, v.why)
			}
		})
	}
}

// TestWhyIsOneLine: what an app's user may say reaches no terminal as it is.
func TestWhyIsOneLine(t *testing.T) {
	const said = "a\x1b[2J\nb\u009bc\xff"
	failing := says(control.InstanceFailing)
	failing.LastFailure = &control.Failure{Cause: said, Detail: said}
	for _, st := range []*control.Status{failing, says(said), probed(control.ProbeStatus{Failures: 9, Error: said})} {
		why := judge(facts{supervised: true, failures: 3, status: st}).why
		if !strings.Contains(why, "[2J") || strings.ContainsFunc(why, unicode.IsControl) || !utf8.ValidString(why) {
			t.Errorf("%q", why)
		}
	}
	if got := foreign(strings.Repeat("é", 1000)); len(got) > ForeignLimit || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestJudgeAlways: whatever the facts, there is a health, a reason for what is
// bad or unknown, and nothing that is down was intended.
func TestJudgeAlways(t *testing.T) {
	units := []Unit{listening, connected, dead, starting, autoRestart, ending, endingBadly, limitHit, none}
	statuses := []*control.Status{nil, probed(control.ProbeStatus{Failures: 9}), probed(control.ProbeStatus{OK: true, Skipped: "busy"})}
	for _, s := range control.InstanceStates {
		statuses = append(statuses, says(s), &control.Status{State: s, Rolling: true})
	}
	n := 0
	for _, socket := range units {
		for _, service := range units {
			for _, status := range statuses {
				for bits := range 1 << 5 {
					f := facts{socket: socket, service: service, status: status, failures: 3, supervised: bits&1 != 0, systemd: bits&2 != 0}
					if bits&4 != 0 {
						f.missing = "gone"
					}
					if bits&8 != 0 {
						f.bad = "bad"
					}
					if bits&16 != 0 {
						f.before, f.restarts = Down, 9
					}
					v := judge(f)
					n++
					if v.health == "" || v.why == "" && (v.health == Down || v.health == Unknown) || v.health == Down && v.intended {
						t.Fatalf("%+v of %+v", v, f)
					}
				}
			}
		}
	}
	t.Log(n, "cases")
}
