package alert

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// epoch is when virtual time begins.
var epoch = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

// letters are the healths of stories: a frame such as "UDs" is one look at three instances.
var letters = map[rune]monitor.Instance{
	'U': {Health: monitor.Up},
	'A': {Health: monitor.Asleep},
	'D': {Health: monitor.Down, Why: "it broke"},
	'u': {Health: monitor.Up, Intended: true},
	's': {Health: monitor.Stopped},
	'x': {Health: monitor.Down, Unconfigured: true},
	'?': {Health: monitor.Unknown, Why: "it hides"},
}

// frame is a report: a word per app, named a, b, ..., and a letter per instance; "." is one that is not there.
func frame(words string, at time.Time) *monitor.Report {
	r := &monitor.Report{Host: "web1", At: at}
	for i, word := range strings.Fields(words) {
		app := monitor.App{Name: string(rune('a' + i))}
		for n, letter := range word {
			if letter == '.' {
				continue
			}
			in, ok := letters[letter]
			if !ok {
				panic("no such letter: " + string(letter))
			}
			in.App, in.Number = app.Name, n+1
			app.Instances = append(app.Instances, in)
		}
		r.Apps = append(r.Apps, app)
	}
	return r
}

// names are the instances that a message is about.
func (n Notification) instances() []string {
	var all []string
	for _, a := range n.Apps {
		for _, in := range a.News {
			all = append(all, instanceName(a.App, in.Instance))
		}
	}
	return all
}

// story plays frames, each "WORDS xN" for N looks of 5 s, and returns what was told: "65s down a@1 a@2".
func story(r rules, frames ...string) []string {
	m := newMachine()
	var told []string
	now := epoch
	for _, f := range frames {
		words, times, repeated := strings.Cut(f, " x")
		looks := 1
		if repeated {
			fmt.Sscan(times, &looks)
		}
		for range looks {
			m.observe(takeSnapshot(frame(words, now)), now)
			for _, n := range m.notifications(r, now) {
				told = append(told, fmt.Sprintf("%s %s %s", formatDuration(now.Sub(epoch)), n.Event, strings.Join(n.instances(), " ")))
			}
			now = now.Add(5 * time.Second)
		}
	}
	return told
}

func TestStories(t *testing.T) {
	minute := rules{hold: time.Minute, repeat: 5 * time.Minute}
	tests := map[string]struct {
		rules  rules
		frames []string
		want   []string
	}{
		"down and up":                   {minute, []string{"U", "D x20", "U x20"}, []string{"1m5s down a@1", "2m45s up a@1"}},
		"a flap":                        {minute, []string{"U", "D x12", "U x20"}, nil},
		"flaps in a row":                {minute, []string{"D x12", "U", "D x12", "U", "D x12", "U x20"}, nil},
		"a flap upwards":                {minute, []string{"D x20", "U x12", "D x20", "U x13"}, []string{"1m down a@1", "5m20s up a@1"}},
		"asleep is good":                {minute, []string{"A x20", "D x20", "A x20"}, []string{"2m40s down a@1", "4m20s up a@1"}},
		"stopped":                       {minute, []string{"U", "s x200", "U x20"}, nil},
		"a restart by the operator":     {minute, []string{"U", "u x200", "U x20"}, nil},
		"a restart that fails":          {minute, []string{"U", "u x20", "D x20"}, []string{"2m45s down a@1"}},
		"stopped while firing":          {minute, []string{"D x20", "s x300", "U x20"}, []string{"1m down a@1"}},
		"fixed by a restart":            {minute, []string{"D x20", "s x8", "u", "U x20"}, []string{"1m down a@1", "3m20s up a@1"}},
		"restarted in vain":             {minute, []string{"D x20", "s x8", "D x20"}, []string{"1m down a@1"}},
		"unknown":                       {minute, []string{"U", "? x200", "U"}, nil},
		"down, unknown, down":           {minute, []string{"D x10", "? x50", "D x4"}, []string{"5m15s down a@1"}},
		"unknown while firing":          {minute, []string{"D x14", "? x20", "D x20", "U x13"}, []string{"1m down a@1", "5m30s up a@1"}},
		"unknown is reminded of":        {minute, []string{"D x14", "? x70"}, []string{"1m down a@1", "6m still_down a@1"}},
		"gone from the configuration":   {minute, []string{"D x20", ". x5", "U x20"}, []string{"1m down a@1"}},
		"gone, but still running":       {minute, []string{"D x20", "x x200", "U x20"}, []string{"1m down a@1"}},
		"repeated":                      {minute, []string{"D x150"}, []string{"1m down a@1", "6m still_down a@1", "11m still_down a@1"}},
		"never repeated":                {rules{hold: time.Minute}, []string{"D x5000"}, []string{"1m down a@1"}},
		"a whole app":                   {minute, []string{"UUUUU", "DDDDD x20", "UUUUU x20"}, []string{"1m5s down a@1 a@2 a@3 a@4 a@5", "2m45s up a@1 a@2 a@3 a@4 a@5"}},
		"a whole app, one by one":       {minute, []string{"DUUUU x2", "DDUUU x2", "DDDUU", "DDDDU", "DDDDD x20"}, []string{"1m30s down a@1 a@2 a@3 a@4 a@5"}},
		"two apps of one cause":         {minute, []string{"DU DD", "DD DD x20"}, []string{"1m5s down a@1 a@2 b@1 b@2"}},
		"too late for the same message": {minute, []string{"DU x3", "DD x20"}, []string{"1m down a@1", "1m15s down a@2"}},
		"no endless wait":               {minute, []string{"DUUUUUU x2", "DDUUUUU x2", "DDDUUUU x2", "DDDDUUU x2", "DDDDDUU x2", "DDDDDDU x2", "DDDDDDD x20"}, []string{"1m30s down a@1 a@2 a@3 a@4", "2m down a@5 a@6 a@7"}},
		"one reminder of all":           {minute, []string{"DU x10", "DD x100"}, []string{"1m down a@1", "1m50s down a@2", "6m still_down a@1 a@2"}},
		"down and up at once":           {minute, []string{"DU x20", "UD x20"}, []string{"1m down a@1", "2m40s up a@1", "2m40s down a@2"}},
		"at once":                       {rules{}, []string{"U", "D x10", "U x10"}, []string{"15s down a@1", "1m5s up a@1"}},
		"at once, not alone":            {rules{}, []string{"DU", "DD x10"}, []string{"10s down a@1 a@2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := story(test.rules, test.frames...); !slices.Equal(got, test.want) {
				t.Errorf("told %q, want %q", got, test.want)
			}
		})
	}
}

// witness knows what people must and must not hear, from the history alone.
type witness struct {
	// badFor and fineFor are how long it has been so as far as was seen, awayFor
	// since when the operator has it.
	badFor, fineFor  time.Duration
	lastBad, started bool
	away             time.Time
	known            bool
	heard            time.Time
}

func (w *witness) see(c class, there bool, now time.Time, step time.Duration) {
	wasFine := w.fineFor
	if !there {
		*w = witness{}
		return
	}
	if c != up {
		w.fineFor, w.started = 0, false
	}
	switch c {
	case down:
		if w.lastBad {
			w.badFor += step
		}
		w.lastBad, w.away = true, time.Time{}
		return
	case unknown:
	case up:
		if w.started {
			w.fineFor = wasFine + step
		}
		w.badFor, w.started, w.away = 0, true, time.Time{}
	case stopped:
		w.badFor = 0
		if w.away.IsZero() {
			w.away = now
		}
		if now.Sub(w.away) >= stoppedTimeout {
			w.known = false
		}
	}
	w.lastBad = false
}

// trial plays a history and holds each message, and each silence, to the promises.
type trial struct {
	r         rules
	step      time.Duration
	now       time.Time
	m         *machine
	witnesses map[string]*witness
}

func newTrial(r rules, step time.Duration) *trial {
	return &trial{r: r, step: step, now: epoch, m: newMachine(), witnesses: map[string]*witness{}}
}

func (tr *trial) look(words string) error {
	s := takeSnapshot(frame(words, tr.now))
	classes := map[string]class{}
	for _, app := range s.apps {
		for _, in := range app.instances {
			classes[instanceName(app.name, in.number)] = in.class
		}
	}
	for name := range classes {
		if tr.witnesses[name] == nil {
			tr.witnesses[name] = &witness{}
		}
	}
	for name, w := range tr.witnesses {
		c, there := classes[name]
		w.see(c, there, tr.now, tr.step)
	}
	tr.m.observe(s, tr.now)
	for _, n := range tr.m.notifications(tr.r, tr.now) {
		if err := tr.check(n, classes); err != nil {
			return fmt.Errorf("%s: %w", n.Title, err)
		}
	}
	for name, w := range tr.witnesses {
		if c := classes[name]; c == down && !w.known && w.badFor >= tr.r.hold+maxBatchWait+tr.step {
			return fmt.Errorf("no receiver was told that %s is down", name)
		} else if c == up && w.known && w.fineFor >= tr.r.recoveryHold()+maxBatchWait+tr.step {
			return fmt.Errorf("no receiver was told that %s is up", name)
		}
	}
	tr.now = tr.now.Add(tr.step)
	return nil
}

func (tr *trial) check(n Notification, classes map[string]class) error {
	if len(n.instances()) == 0 {
		return fmt.Errorf("about nothing")
	}
	due := false
	for _, name := range n.instances() {
		w, c := tr.witnesses[name], classes[name]
		due = due || tr.now.Sub(w.heard) >= tr.r.repeat
		switch n.Event {
		case Down:
			if w.known || c != down || w.badFor < tr.r.hold {
				return fmt.Errorf("%s: known %v, class %d, bad for %s", name, w.known, c, w.badFor)
			}
			w.known = true
		case Up:
			if !w.known || c != up || w.fineFor < tr.r.recoveryHold() {
				return fmt.Errorf("%s: known %v, class %d, fine for %s", name, w.known, c, w.fineFor)
			}
			w.known = false
		case StillDown:
			if !w.known || c != down && c != unknown || w.heard.Equal(tr.now) {
				return fmt.Errorf("%s: known %v, class %d, told %s", name, w.known, c, w.heard)
			}
		case Test:
			return fmt.Errorf("a test")
		}
		w.heard = tr.now
	}
	if n.Event == StillDown && (!due || tr.r.repeat == 0) {
		return fmt.Errorf("repeated too early")
	}
	return nil
}

// TestEveryHistory: all histories of one instance, up to a length.
func TestEveryHistory(t *testing.T) {
	const alphabet = "UDs?."
	for _, set := range []struct {
		r    rules
		step time.Duration
	}{
		{rules{hold: time.Minute, repeat: 90 * time.Second}, 30 * time.Second},
		{rules{hold: 5 * time.Minute}, 5 * time.Minute}, // longer than absence
		{rules{}, 10 * time.Second},
	} {
		length := 5
		if set.r.repeat > 0 {
			length = 6
		}
		word := make([]byte, length)
		var play func(at int)
		play = func(at int) {
			if at == length {
				tr := newTrial(set.r, set.step)
				for i := range word {
					if err := tr.look(string(word[i])); err != nil {
						t.Fatalf("%+v: %s after %d looks: %v", set, word, i+1, err)
					}
				}
				return
			}
			for i := range len(alphabet) {
				word[at] = alphabet[i]
				play(at + 1)
			}
		}
		play(0)
	}
}

// TestAnyHistory: long random histories of two apps. Healths last, as real ones do, and now and then
// the machine is written down and read again, as when the monitor is killed.
func TestAnyHistory(t *testing.T) {
	const alphabet = "UUUUADDDDDDDDDDs??."
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 1))
		tr := newTrial(rules{hold: time.Duration(rng.IntN(90)) * time.Second, repeat: time.Duration(rng.IntN(3)) * time.Minute}, 5*time.Second)
		state := []byte("UUUU UUU")
		for range 2000 {
			for i := range state {
				if state[i] != ' ' && rng.IntN(12) == 0 {
					state[i] = alphabet[rng.IntN(len(alphabet))]
				}
			}
			if rng.IntN(200) == 0 { // one cause
				copy(state, "DDDD DDD")
			}
			if err := tr.look(string(state)); err != nil {
				t.Fatalf("seed %d, %s: %v", seed, state, err)
			}
			if rng.IntN(50) == 0 {
				tr.reborn(t)
			}
		}
	}
}

// reborn is the machine after a death right behind a look.
func (tr *trial) reborn(t *testing.T) {
	t.Helper()
	data, err := json.Marshal(tr.m)
	if err != nil {
		t.Fatal(err)
	}
	next := newMachine()
	if err := json.Unmarshal(data, next); err != nil {
		t.Fatal(err)
	}
	if len(next.Incidents) != len(tr.m.Incidents) {
		t.Fatalf("%d troubles became %d", len(tr.m.Incidents), len(next.Incidents))
	}
	tr.m = next
	for _, w := range tr.witnesses {
		w.lastBad = false
	}
}

// TestOneOutageOneMessage: however the instances of a host go within ten seconds, one message goes out, and one at the end.
func TestOneOutageOneMessage(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		m, r := newMachine(), rules{hold: time.Minute}
		falls, rises := map[int]int{}, map[int]int{}
		for i := range 8 {
			falls[i], rises[i] = rng.IntN(10), 120+rng.IntN(10)
		}
		events := map[Event]int{}
		for second := range 240 {
			state := []byte("UUUU UUUU")
			for i := range 8 {
				if second >= falls[i] && second < rises[i] {
					state[i+i/4] = 'D'
				}
			}
			now := epoch.Add(time.Duration(second) * time.Second)
			m.observe(takeSnapshot(frame(string(state), now)), now)
			for _, n := range m.notifications(r, now) {
				events[n.Event]++
			}
		}
		if !maps.Equal(events, map[Event]int{Down: 1, Up: 1}) {
			t.Fatalf("seed %d: %v", seed, events)
		}
	}
}

// TestTellBetweenReports: what waits for others does not wait for the next report.
func TestTellBetweenReports(t *testing.T) {
	m, r, now := newMachine(), rules{hold: time.Minute}, epoch
	step := func(words string, d time.Duration) []Notification {
		now = now.Add(d)
		m.observe(takeSnapshot(frame(words, now)), now)
		return m.notifications(r, now)
	}
	step("DU", 0)
	step("DD", 5*time.Second)
	if n := step("DD", 55*time.Second); len(n) > 0 {
		t.Fatalf("did not wait for the second: %s", n[0].Title)
	}
	next := m.next(r, now)
	if !next.Equal(now.Add(maxBatchWait)) {
		t.Fatalf("next is %s after, want %s", next.Sub(now), maxBatchWait)
	}
	if n := m.notifications(r, next); len(n) != 1 || n[0].Title != "DOWN: a@1 on web1" {
		t.Errorf("told %v", n)
	}
	if next := m.next(r, next); !next.IsZero() {
		t.Errorf("there is more to wait for: %s", next)
	}
}

// TestClockSetBackWhileWaiting: what waits for others waits no longer than maxHold.
func TestClockSetBackWhileWaiting(t *testing.T) {
	m, r := newMachine(), rules{hold: time.Minute}
	var got []string
	for i := range 40 {
		now := epoch.Add(time.Duration(i) * 5 * time.Second)
		if i > 12 {
			now = now.Add(-24 * time.Hour)
		}
		words := "DD"
		if i == 0 {
			words = "DU"
		} else if i > 12 {
			words = "D?" // the second never comes
		}
		m.observe(takeSnapshot(frame(words, now)), now)
		for _, n := range m.notifications(r, now) {
			got = append(got, n.Title)
		}
	}
	if !slices.Equal(got, []string{"DOWN: a@1 on web1"}) {
		t.Errorf("told %q", got)
	}
}

// TestClockSetBack: repeat goes on from the new time, and nothing is held for ever.
func TestClockSetBack(t *testing.T) {
	m, r := newMachine(), rules{hold: time.Minute, repeat: 5 * time.Minute}
	var got []Event
	for i := range 100 {
		now := epoch.Add(time.Duration(i) * 5 * time.Second)
		if i > 20 {
			now = now.Add(-24 * time.Hour)
		}
		m.observe(takeSnapshot(frame("D", now)), now)
		for _, n := range m.notifications(r, now) {
			got = append(got, n.Event)
		}
	}
	if !slices.Equal(got, []Event{Down, StillDown}) {
		t.Errorf("told %v", got)
	}
}
