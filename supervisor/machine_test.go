package supervisor

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

var update = flag.Bool("update", false, "rewrite the goldens")

var testLimits = limits{
	start: 3 * time.Second,
	stop:  2 * time.Second,
	pause: 100 * time.Millisecond,
	delay: func(n int) time.Duration { return 100 * time.Millisecond << min(n-1, 4) },
}

var epoch = time.Unix(1_000_000, 0)

// world is a machine together with what it cannot see: whether there is a
// process, and whether the gate is looking.
type world struct {
	m       machine
	process bool
	gate    bool
}

// apply performs effects on the world and returns the promise that they break.
func (w *world) apply(effects []effect) string {
	for _, e := range effects {
		switch e {
		case doSpawn:
			if w.process {
				return "spawn while a process lives"
			}
			w.process = true
		case doGate, doSignal, doKill:
			if !w.process {
				return string(e) + " without a process"
			}
			w.gate = e == doGate
		case doCount:
		}
	}
	return ""
}

// can tells which events the world can bring about.
func (w world) can(k kind) bool {
	switch k {
	case exited, orphaned, ready, unhealthy:
		return w.process
	case spawnFailed:
		return w.process && w.m.state == control.Starting
	case released:
		return w.gate
	case deadline:
		return !w.m.deadline.IsZero()
	}
	return true
}

// do lets one event happen and checks what must hold after any.
func (w world) do(ev event, now time.Time) (world, time.Time, string) {
	if ev.kind == deadline && now.Before(w.m.deadline) {
		now = w.m.deadline
	}
	if ev.kind == exited || ev.kind == spawnFailed {
		w.process, w.gate = false, false
	}
	if ev.kind == released {
		w.gate = false
	}
	before := w.m
	var effects []effect
	w.m, effects = step(w.m, ev, now, testLimits)
	if broken := w.apply(effects); broken != "" {
		return w, now, broken
	}
	waiting := w.m.state != control.Ready && w.m.state != control.Stopped
	switch {
	case w.m.alive() != w.process:
		return w, now, fmt.Sprintf("state %s with process %t", w.m.state, w.process)
	case waiting && !w.m.deadline.After(now):
		return w, now, fmt.Sprintf("state %s waits without a deadline ahead", w.m.state)
	case !waiting && !w.m.deadline.IsZero():
		return w, now, fmt.Sprintf("state %s has a deadline", w.m.state)
	case ev.kind == deadline && w.m == before && len(effects) == 0:
		return w, now, "a deadline that does nothing"
	case !w.m.up && slices.Contains(effects, doSpawn):
		return w, now, "spawn against the goal"
	case ev.kind == changed && before.alive() && w.m != before:
		return w, now, "a changed program disturbs a process"
	case ev.kind == changed && !ev.settled && w.m.attempt != before.attempt:
		return w, now, "a change that may not last forgives failures"
	}
	return w, now, ""
}

// key makes worlds equal that differ only in absolute time and in high attempt counts.
func (w world) key(now time.Time) string {
	m := w.m
	rel := func(t time.Time) time.Duration {
		if t.IsZero() {
			return -1
		}
		return max(t.Sub(now), -1)
	}
	return fmt.Sprint(m.state, m.up, m.cause, min(m.attempt, 6), m.proven, rel(m.deadline), rel(m.stopBy), rel(m.spawned.Add(testLimits.pause)), w.process, w.gate)
}

func events() []event {
	var all []event
	for _, k := range kinds {
		switch k {
		case stop:
			all = append(all, event{kind: k, cause: control.Operator}, event{kind: k, cause: control.Scale})
		case kill:
			all = append(all, event{kind: k, cause: control.Operator})
		case unhealthy:
			all = append(all, event{kind: k, cause: control.Probe}, event{kind: k, cause: control.Stuck})
		case exited, orphaned:
			all = append(all, event{kind: k}, event{kind: k, clean: true})
		case changed:
			all = append(all, event{kind: k}, event{kind: k, settled: true})
		default:
			all = append(all, event{kind: k})
		}
	}
	return all
}

type place struct {
	w     world
	now   time.Time
	trace []string
}

// explore visits every reachable world; events come at once, or a second late.
func explore(t *testing.T, visit func(place)) int {
	t.Helper()
	first := place{w: world{m: machine{state: control.Stopped}}, now: epoch}
	seen := map[string]bool{first.w.key(first.now): true}
	todo := []place{first}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		visit(p)
		for _, ev := range events() {
			if !p.w.can(ev.kind) {
				continue
			}
			for _, late := range []time.Duration{0, time.Second} {
				now := p.now.Add(late)
				if d := p.w.m.deadline; ev.kind != deadline && !d.IsZero() && !now.Before(d) {
					continue // the deadline comes first
				}
				next, now, broken := p.w.do(ev, now)
				trace := append(slices.Clip(p.trace), fmt.Sprintf("%s %s", ev.kind, ev.cause))
				if broken != "" {
					t.Fatalf("%s after %q", broken, trace)
				}
				if k := next.key(now); !seen[k] {
					seen[k] = true
					todo = append(todo, place{next, now, trace})
				}
			}
		}
	}
	return len(seen)
}

// TestStep searches all of the machine: see world.do for what holds after every
// event. From everywhere, stop ends in stopped within its bounds, and a goal of
// up ends in a spawn.
func TestStep(t *testing.T) {
	n := explore(t, func(p place) {
		stopEnds(t, p)
		startEnds(t, p)
	})
	t.Logf("%d worlds", n)
	if n < 200 {
		t.Errorf("the search saw %d worlds: it did not search", n)
	}
}

// stopEnds lets the process ignore everything but KILL.
func stopEnds(t *testing.T, p place) {
	t.Helper()
	w, now, broken := p.w.do(event{kind: stop, cause: control.Operator}, p.now)
	limit := now.Add(testLimits.stop + lastWord)
	for i := 0; w.process && broken == ""; i++ {
		if i > 100 {
			t.Fatalf("stop does not end after %q", p.trace)
		}
		if w.m.state == control.Killing {
			w, now, broken = w.do(event{kind: exited}, now)
			continue
		}
		w, now, broken = w.do(event{kind: deadline}, now)
	}
	if broken != "" || w.m.state != control.Stopped {
		t.Fatalf("stop ends in %s (%s) after %q", w.m.state, broken, p.trace)
	}
	if now.After(limit) {
		t.Fatalf("stop took %s after %q", now.Sub(p.now), p.trace)
	}
}

// startEnds lets every attempt fail and asks for another.
func startEnds(t *testing.T, p place) {
	t.Helper()
	w, now, broken := p.w.do(event{kind: start}, p.now)
	for range 100 {
		switch {
		case broken != "":
			t.Fatalf("%s after %q", broken, p.trace)
		case w.m.state == control.Starting:
			return
		case w.process:
			w, now, broken = w.do(event{kind: exited}, now)
		default:
			w, now, broken = w.do(event{kind: deadline}, now)
		}
	}
	t.Fatalf("start never spawns after %q", p.trace)
}

// TestStepTable prints every pair of state and event, so that the picture of
// the machine is made by the machine.
func TestStepTable(t *testing.T) {
	var b strings.Builder
	fmt.Fprintln(&b, "# What a worker slot does on each event; goal up unless the event says otherwise. Empty: nothing.")
	fmt.Fprintf(&b, "%-10s", "")
	for _, ev := range tableEvents {
		fmt.Fprintf(&b, " | %-18s", ev.name)
	}
	fmt.Fprintln(&b)
	for _, s := range control.States {
		fmt.Fprintf(&b, "%-10s", s)
		for _, ev := range tableEvents {
			fmt.Fprintf(&b, " | %-18s", cell(s, ev.event))
		}
		fmt.Fprintln(&b)
	}
	golden(t, "../testdata/machine.txt", strings.ReplaceAll(b.String(), " \n", "\n"))
}

var tableEvents = []struct {
	name string
	event
}{
	{"start", event{kind: start}},
	{"stop", event{kind: stop, cause: control.Operator}},
	{"kill", event{kind: kill, cause: control.Operator}},
	{"ready", event{kind: ready}},
	{"unhealthy", event{kind: unhealthy, cause: control.Probe}},
	{"released", event{kind: released}},
	{"spawn-failed", event{kind: spawnFailed}},
	{"exited", event{kind: exited}},
	{"exited, goal down", event{kind: exited, cause: control.Operator}},
	{"orphaned", event{kind: orphaned}},
	{"changed", event{kind: changed}},
	{"deadline", event{kind: deadline}},
}

func cell(s control.State, ev event) string {
	now := epoch.Add(time.Hour)
	m := machine{state: s, up: s != control.Stopped, since: epoch, spawned: epoch, proven: s != control.Starting}
	if ev.kind == exited && ev.cause == control.Operator {
		m.up = false
	}
	if s != control.Ready && s != control.Stopped {
		m.deadline, m.stopBy = now, now
	}
	after, effects := step(m, ev, now, testLimits)
	var words []string
	if after.state != s {
		words = append(words, string(after.state))
	}
	for _, e := range effects {
		words = append(words, "+"+string(e))
	}
	return strings.Join(words, " ")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, diff)
	}
}

// TestStories are the sentences of the design, one each.
func TestStories(t *testing.T) {
	type told struct {
		ev   event
		wait time.Duration
		want control.State
	}
	for name, story := range map[string][]told{
		"three failures before readiness are failing, never given up": {
			{event{kind: start}, 0, control.Starting},
			{event{kind: exited}, 0, control.Backoff},
			{event{kind: deadline}, time.Second, control.Starting},
			{event{kind: exited}, 0, control.Backoff},
			{event{kind: deadline}, time.Second, control.Starting},
			{event{kind: exited}, 0, control.Failing},
			{event{kind: deadline}, 2 * time.Second, control.Starting},
			{event{kind: ready}, 0, control.Ready},
		},
		"exit 0 before readiness is a failure": {
			{event{kind: start}, 0, control.Starting}, {event{kind: exited, clean: true}, 0, control.Backoff},
		},
		"exit 0 after readiness is replaced at once": {
			{event{kind: start}, 0, control.Starting},
			{event{kind: ready}, time.Second, control.Ready},
			{event{kind: exited, clean: true}, time.Second, control.Starting},
		},
		"a crash after readiness is replaced at once": {
			{event{kind: start}, 0, control.Starting}, {event{kind: ready}, time.Second, control.Ready}, {event{kind: exited}, time.Second, control.Starting},
		},
		"a crash right after readiness waits for the pause": {
			{event{kind: start}, 0, control.Starting}, {event{kind: ready}, 0, control.Ready}, {event{kind: exited}, 0, control.Backoff},
		},
		"the group outlives its leader before readiness: a failure": {
			{event{kind: start}, 0, control.Starting}, {event{kind: orphaned, clean: true}, 0, control.Stopping}, {event{kind: exited}, 0, control.Backoff},
		},
		"start timeout": {
			{event{kind: start}, 0, control.Starting}, {event{kind: deadline}, 3 * time.Second, control.Stopping}, {event{kind: exited}, 0, control.Backoff},
		},
		"a second thought during draining restarts after the exit": {
			{event{kind: start}, 0, control.Starting},
			{event{kind: ready}, time.Second, control.Ready},
			{event{kind: stop, cause: control.Operator}, 0, control.Draining},
			{event{kind: start}, 0, control.Draining},
			{event{kind: released}, 0, control.Stopping},
			{event{kind: exited, clean: true}, 0, control.Starting},
		},
		"a changed program is tried at once, and one that settled is counted anew": {
			{event{kind: start}, 0, control.Starting},
			{event{kind: exited}, 0, control.Backoff},
			{event{kind: deadline}, time.Second, control.Starting},
			{event{kind: exited}, 0, control.Backoff},
			{event{kind: changed}, 0, control.Starting},
			{event{kind: exited}, 0, control.Failing},
			{event{kind: changed}, 0, control.Starting},
			{event{kind: exited}, 0, control.Failing},
			{event{kind: changed, settled: true}, 0, control.Starting},
			{event{kind: exited}, 0, control.Backoff},
		},
		"a program that changes under its worker disturbs nobody": {
			{event{kind: start}, 0, control.Starting},
			{event{kind: changed}, 0, control.Starting},
			{event{kind: ready}, 0, control.Ready},
			{event{kind: changed, settled: true}, time.Second, control.Ready},
		},
		"an early deadline is nobody's": {
			{event{kind: start}, 0, control.Starting}, {event{kind: deadline}, time.Second, control.Starting},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, now := machine{state: control.Stopped}, epoch
			for i, s := range story {
				now = now.Add(s.wait)
				m, _ = step(m, s.ev, now, testLimits)
				if m.state != s.want {
					t.Fatalf("event %d, %s: %s, want %s", i, s.ev.kind, m.state, s.want)
				}
			}
		})
	}
}
