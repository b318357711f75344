package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

var testLimits = Limits{
	Start: 3 * time.Second,
	Stop:  2 * time.Second,
	Pause: 100 * time.Millisecond,
	Delay: func(n int) time.Duration { return 100 * time.Millisecond << min(n-1, 4) },
}

// world is a machine together with what it cannot see: whether there is a
// process, and whether the gate is looking.
type world struct {
	m       Machine
	process bool
	gate    bool
}

// apply performs effects on the world and returns the promise that they break.
func (w *world) apply(effects []Effect) string {
	for _, e := range effects {
		switch e {
		case DoSpawn:
			if w.process {
				return "spawn while a process lives"
			}
			w.process = true
		case DoGate, DoSignal, DoKill:
			if !w.process {
				return string(e) + " without a process"
			}
			w.gate = e == DoGate
		case DoCount:
		}
	}
	return ""
}

// can tells which events the world can bring about.
func (w world) can(k EventKind) bool {
	switch k {
	case Exited, Orphaned, Ready, Unhealthy:
		return w.process
	case SpawnFailed:
		return w.process && w.m.State == control.Starting
	case Released:
		return w.gate
	case Deadline:
		return !w.m.Deadline.IsZero()
	}
	return true
}

// do lets one event happen and checks what must hold after any.
func (w world) do(ev Event, now time.Time) (world, time.Time, string) {
	if ev.Kind == Deadline && now.Before(w.m.Deadline) {
		now = w.m.Deadline
	}
	if ev.Kind == Exited || ev.Kind == SpawnFailed {
		w.process, w.gate = false, false
	}
	if ev.Kind == Released {
		w.gate = false
	}
	before := w.m
	var effects []Effect
	w.m, effects = Step(w.m, ev, now, testLimits)
	if broken := w.apply(effects); broken != "" {
		return w, now, broken
	}
	waiting := w.m.State != control.Ready && w.m.State != control.Stopped
	switch {
	case w.m.Alive() != w.process:
		return w, now, fmt.Sprintf("state %s with process %t", w.m.State, w.process)
	case waiting && !w.m.Deadline.After(now):
		return w, now, fmt.Sprintf("state %s waits without a deadline ahead", w.m.State)
	case !waiting && !w.m.Deadline.IsZero():
		return w, now, fmt.Sprintf("state %s has a deadline", w.m.State)
	case ev.Kind == Deadline && w.m == before && len(effects) == 0:
		return w, now, "a deadline that does nothing"
	case !w.m.Up && slices.Contains(effects, DoSpawn):
		return w, now, "spawn against the goal"
	case ev.Kind == Changed && before.Alive() && w.m != before:
		return w, now, "a changed program disturbs a process"
	case ev.Kind == Changed && !ev.Settled && w.m.Attempt != before.Attempt:
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
	return fmt.Sprint(m.State, m.Up, m.Cause, min(m.Attempt, 6), m.Proven, rel(m.Deadline), rel(m.StopBy), rel(m.Spawned.Add(testLimits.Pause)), w.process, w.gate)
}

func events() []Event {
	var all []Event
	for _, k := range eventKinds {
		switch k {
		case Stop:
			all = append(all, Event{Kind: k, Cause: control.Operator}, Event{Kind: k, Cause: control.Scale})
		case Kill:
			all = append(all, Event{Kind: k, Cause: control.Operator})
		case Unhealthy:
			all = append(all, Event{Kind: k, Cause: control.Probe}, Event{Kind: k, Cause: control.Stuck})
		case Exited, Orphaned:
			all = append(all, Event{Kind: k}, Event{Kind: k, Clean: true})
		case Changed:
			all = append(all, Event{Kind: k}, Event{Kind: k, Settled: true})
		default:
			all = append(all, Event{Kind: k})
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
	first := place{w: world{m: Machine{State: control.Stopped}}, now: epoch}
	seen := map[string]bool{first.w.key(first.now): true}
	todo := []place{first}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		visit(p)
		for _, ev := range events() {
			if !p.w.can(ev.Kind) {
				continue
			}
			for _, late := range []time.Duration{0, time.Second} {
				now := p.now.Add(late)
				if d := p.w.m.Deadline; ev.Kind != Deadline && !d.IsZero() && !now.Before(d) {
					continue // the deadline comes first
				}
				next, now, broken := p.w.do(ev, now)
				trace := append(slices.Clip(p.trace), fmt.Sprintf("%s %s", ev.Kind, ev.Cause))
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
	w, now, broken := p.w.do(Event{Kind: Stop, Cause: control.Operator}, p.now)
	limit := now.Add(testLimits.Stop + killAfter)
	for i := 0; w.process && broken == ""; i++ {
		if i > 100 {
			t.Fatalf("stop does not end after %q", p.trace)
		}
		if w.m.State == control.Killing {
			w, now, broken = w.do(Event{Kind: Exited}, now)
			continue
		}
		w, now, broken = w.do(Event{Kind: Deadline}, now)
	}
	if broken != "" || w.m.State != control.Stopped {
		t.Fatalf("stop ends in %s (%s) after %q", w.m.State, broken, p.trace)
	}
	if now.After(limit) {
		t.Fatalf("stop took %s after %q", now.Sub(p.now), p.trace)
	}
}

// startEnds lets every attempt fail and asks for another.
func startEnds(t *testing.T, p place) {
	t.Helper()
	w, now, broken := p.w.do(Event{Kind: Start}, p.now)
	for range 100 {
		switch {
		case broken != "":
			t.Fatalf("%s after %q", broken, p.trace)
		case w.m.State == control.Starting:
			return
		case w.process:
			w, now, broken = w.do(Event{Kind: Exited}, now)
		default:
			w, now, broken = w.do(Event{Kind: Deadline}, now)
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
			fmt.Fprintf(&b, " | %-18s", cell(s, ev.Event))
		}
		fmt.Fprintln(&b)
	}
	golden(t, "../../testdata/machine.txt", strings.ReplaceAll(b.String(), " \n", "\n"))
}

var tableEvents = []struct {
	name string
	Event
}{
	{"start", Event{Kind: Start}},
	{"stop", Event{Kind: Stop, Cause: control.Operator}},
	{"kill", Event{Kind: Kill, Cause: control.Operator}},
	{"ready", Event{Kind: Ready}},
	{"unhealthy", Event{Kind: Unhealthy, Cause: control.Probe}},
	{"released", Event{Kind: Released}},
	{"spawn-failed", Event{Kind: SpawnFailed}},
	{"exited", Event{Kind: Exited}},
	{"exited, goal down", Event{Kind: Exited, Cause: control.Operator}},
	{"orphaned", Event{Kind: Orphaned}},
	{"changed", Event{Kind: Changed}},
	{"deadline", Event{Kind: Deadline}},
}

func cell(s control.State, ev Event) string {
	now := epoch.Add(time.Hour)
	m := Machine{State: s, Up: s != control.Stopped, Since: epoch, Spawned: epoch, Proven: s != control.Starting}
	if ev.Kind == Exited && ev.Cause == control.Operator {
		m.Up = false
	}
	if s != control.Ready && s != control.Stopped {
		m.Deadline, m.StopBy = now, now
	}
	after, effects := Step(m, ev, now, testLimits)
	var words []string
	if after.State != s {
		words = append(words, string(after.State))
	}
	for _, e := range effects {
		words = append(words, "+"+string(e))
	}
	return strings.Join(words, " ")
}

// TestStories are the sentences of the design, one each.
func TestStories(t *testing.T) {
	type told struct {
		ev   Event
		wait time.Duration
		want control.State
	}
	for name, story := range map[string][]told{
		"three failures before readiness are failing, never given up": {
			{Event{Kind: Start}, 0, control.Starting},
			{Event{Kind: Exited}, 0, control.Backoff},
			{Event{Kind: Deadline}, time.Second, control.Starting},
			{Event{Kind: Exited}, 0, control.Backoff},
			{Event{Kind: Deadline}, time.Second, control.Starting},
			{Event{Kind: Exited}, 0, control.Failing},
			{Event{Kind: Deadline}, 2 * time.Second, control.Starting},
			{Event{Kind: Ready}, 0, control.Ready},
		},
		"exit 0 before readiness is a failure": {
			{Event{Kind: Start}, 0, control.Starting}, {Event{Kind: Exited, Clean: true}, 0, control.Backoff},
		},
		"exit 0 after readiness is replaced at once": {
			{Event{Kind: Start}, 0, control.Starting},
			{Event{Kind: Ready}, time.Second, control.Ready},
			{Event{Kind: Exited, Clean: true}, time.Second, control.Starting},
		},
		"a crash after readiness is replaced at once": {
			{Event{Kind: Start}, 0, control.Starting}, {Event{Kind: Ready}, time.Second, control.Ready}, {Event{Kind: Exited}, time.Second, control.Starting},
		},
		"a crash right after readiness waits for the pause": {
			{Event{Kind: Start}, 0, control.Starting}, {Event{Kind: Ready}, 0, control.Ready}, {Event{Kind: Exited}, 0, control.Backoff},
		},
		"the group outlives its leader before readiness: a failure": {
			{Event{Kind: Start}, 0, control.Starting}, {Event{Kind: Orphaned, Clean: true}, 0, control.Stopping}, {Event{Kind: Exited}, 0, control.Backoff},
		},
		"start timeout": {
			{Event{Kind: Start}, 0, control.Starting}, {Event{Kind: Deadline}, 3 * time.Second, control.Stopping}, {Event{Kind: Exited}, 0, control.Backoff},
		},
		"a second thought during draining restarts after the exit": {
			{Event{Kind: Start}, 0, control.Starting},
			{Event{Kind: Ready}, time.Second, control.Ready},
			{Event{Kind: Stop, Cause: control.Operator}, 0, control.Draining},
			{Event{Kind: Start}, 0, control.Draining},
			{Event{Kind: Released}, 0, control.Stopping},
			{Event{Kind: Exited, Clean: true}, 0, control.Starting},
		},
		"a changed program is tried at once, and one that settled is counted from zero": {
			{Event{Kind: Start}, 0, control.Starting},
			{Event{Kind: Exited}, 0, control.Backoff},
			{Event{Kind: Deadline}, time.Second, control.Starting},
			{Event{Kind: Exited}, 0, control.Backoff},
			{Event{Kind: Changed}, 0, control.Starting},
			{Event{Kind: Exited}, 0, control.Failing},
			{Event{Kind: Changed}, 0, control.Starting},
			{Event{Kind: Exited}, 0, control.Failing},
			{Event{Kind: Changed, Settled: true}, 0, control.Starting},
			{Event{Kind: Exited}, 0, control.Backoff},
		},
		"a program that changes under its worker disturbs no request": {
			{Event{Kind: Start}, 0, control.Starting},
			{Event{Kind: Changed}, 0, control.Starting},
			{Event{Kind: Ready}, 0, control.Ready},
			{Event{Kind: Changed, Settled: true}, time.Second, control.Ready},
		},
		"an early deadline does nothing": {
			{Event{Kind: Start}, 0, control.Starting}, {Event{Kind: Deadline}, time.Second, control.Starting},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, now := Machine{State: control.Stopped}, epoch
			for i, s := range story {
				now = now.Add(s.wait)
				m, _ = Step(m, s.ev, now, testLimits)
				if m.State != s.want {
					t.Fatalf("event %d, %s: %s, want %s", i, s.ev.Kind, m.State, s.want)
				}
			}
		})
	}
}
