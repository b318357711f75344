package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const pause = 2 * time.Minute

func newLog() *Log { return New("unknown", "up", "asleep", "stopped", "unknown", "down") }

// shown is a history in one line: minutes before now and states.
func shown(l *Log, name string, now time.Time) string {
	var parts []string
	for _, s := range l.Spans(name) {
		parts = append(parts, fmt.Sprintf("%v-%v %s", now.Sub(s.From), now.Sub(s.Until), s.State))
	}
	return strings.Join(parts, ", ")
}

func TestSpans(t *testing.T) {
	l, now := newLog(), noon
	look := func(after time.Duration, state string) time.Time {
		now = now.Add(after)
		return l.See("rt@1", state, now, pause)
	}
	look(0, "up")
	look(time.Minute, "up")
	if since := look(time.Minute, "down"); !since.Equal(now) {
		t.Errorf("down since %v, want %v", since, now)
	}
	if since := look(time.Minute, "down"); !since.Equal(now.Add(-time.Minute)) {
		t.Errorf("down since %v", since)
	}
	if got, want := shown(l, "rt@1", now), "3m0s-1m0s up, 1m0s-0s down"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	look(time.Hour, "down") // no sample for an hour
	if got, want := shown(l, "rt@1", now), "1h3m0s-1h1m0s up, 1h1m0s-1h0m0s down, 1h0m0s-0s unknown, 0s-0s down"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for range 25 * 60 {
		look(time.Minute, "up")
	}
	if got, want := shown(l, "rt@1", now), "24h0m0s-0s up"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if since := look(time.Second, "up"); now.Sub(since) < 24*time.Hour+59*time.Minute {
		t.Errorf("up since %v, which was longer ago", since)
	}
	if got := l.Spans("rt@2"); got != nil {
		t.Errorf("of what was never seen: %v", got)
	}
	l.Forget(now)
	if got := l.Spans("rt@1"); got == nil {
		t.Error("forgets what was seen now")
	}
	l.Forget(now.Add(time.Second))
	if got := l.Spans("rt@1"); got != nil {
		t.Errorf("of what was forgotten: %v", got)
	}
}

// TestFlapping: memory is bounded, trouble stays visible, and the spans cover the time.
func TestFlapping(t *testing.T) {
	l, now := newLog(), noon
	states := []string{"up", "up", "up", "up", "asleep", "down", "unknown"}
	random := rand.New(rand.NewPCG(1, 2))
	var since time.Time
	for range 30_000 {
		now = now.Add(time.Duration(random.IntN(9000)) * time.Millisecond)
		since = l.See("a", states[random.IntN(len(states))], now, pause)
	}
	spans := l.Spans("a")
	if n := cap(l.strips["a"].marks); n > 2*MaxSpans || len(spans) > MaxSpans {
		t.Errorf("%d spans, room for %d", len(spans), n)
	}
	if last := spans[len(spans)-1]; !last.Until.Equal(now) || last.From.After(since) {
		t.Errorf("it ends with %v, now is %v since %v", last, now, since)
	}
	down := time.Duration(0)
	for i, s := range spans {
		if i > 0 && !s.From.Equal(spans[i-1].Until) {
			t.Errorf("a gap between %v and %v", spans[i-1], s)
		}
		if i > 0 && s.State == spans[i-1].State {
			t.Errorf("%v and %v are one", spans[i-1], s)
		}
		if s.State == "down" {
			down += s.Until.Sub(s.From)
		}
	}
	if covered := now.Sub(spans[0].From); covered != Window || down < Window/10 {
		t.Errorf("it covers %v, %v of them down", covered, down)
	}
}

// TestClock: no jump of the clock panics or leaves spans out of order.
func TestClock(t *testing.T) {
	l := newLog()
	for i, at := range []time.Time{
		noon, noon.Add(time.Hour), noon.Add(-time.Hour), {}, noon.AddDate(200, 0, 0), noon, time.Unix(-1, 0), time.UnixMilli(1 << 60), noon,
	} {
		state := []string{"up", "down"}[i%2]
		if since := l.See("a", state, at, pause); since.After(at) && at.Unix() > 0 {
			t.Errorf("%s at %v since %v", state, at, since)
		}
		before := time.Time{}
		for _, s := range l.Spans("a") {
			if s.From.Before(before) || s.Until.Before(s.From) {
				t.Errorf("at %v: %v", at, l.Spans("a"))
			}
			before = s.Until
		}
	}
	if got := l.See("a", "up", noon.Add(time.Minute), pause); !got.Equal(noon) {
		t.Errorf("up since %v, want noon", got)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.json")
	open := func() (*Log, error) { return Open(path, "unknown", "up", "asleep", "stopped", "unknown", "down") }
	l, err := open()
	if err != nil {
		t.Fatal(err)
	}
	l.See("rt@1", "up", noon, pause)
	l.See("rt@1", "down", noon.Add(time.Minute), pause)
	if !l.Dirty() {
		t.Error("a change is nothing to lose")
	}
	for range 2 { // over the previous file
		if err := l.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	again, err := open()
	if err != nil {
		t.Fatal(err)
	}
	now := noon.Add(2 * time.Minute)
	if since := again.See("rt@1", "down", now, pause); !since.Equal(noon.Add(time.Minute)) {
		t.Errorf("down since %v", since)
	}
	if again.Dirty() {
		t.Error("nothing has changed, and yet there is something to lose")
	}
	if got, want := shown(again, "rt@1", now), "2m0s-1m0s up, 1m0s-0s down"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("saving leaves %v", left)
	}
}

// TestUnusableFiles: they are set aside, and history begins again.
func TestUnusableFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "garbage": "\x00\xff{", "cut": `{"format":1,"states":["up"],"things":{"a":{"seen":5,"sp`,
		"future":        `{"format":2,"things":{}}`,
		"state number":  `{"format":1,"states":["up"],"things":{"a":{"seen":5,"spans":[[1,1]]}}}`,
		"unknown state": `{"format":1,"states":["sideways"],"things":{"a":{"seen":5,"spans":[[1,0]]}}}`,
		"no spans":      `{"format":1,"states":["up"],"things":{"a":{"seen":5,"spans":[]}}}`,
		"order":         `{"format":1,"states":["up"],"things":{"a":{"seen":5,"spans":[[3,0],[2,0]]}}}`,
		"beyond":        `{"format":1,"states":["up"],"things":{"a":{"seen":9223372036854775807,"spans":[[3,0]]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Open(path, "unknown", "up", "unknown", "down")
			if !errors.Is(err, ErrUnusable) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v", err)
			}
			if kept, err := os.ReadFile(path + ".unusable"); err != nil || string(kept) != text {
				t.Errorf("set aside: %q, %v", kept, err)
			}
			l.See("a", "up", noon, pause)
			if err := l.Save(path); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSaveFails: what could not be saved stays to be saved, and the old file stays whole.
func TestSaveFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "history.json")
	l := newLog()
	l.See("a", "up", noon, pause)
	if err := l.Save(path); err == nil || !l.Dirty() {
		t.Errorf("%v, dirty %v", err, l.Dirty())
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"format":1,"states":["up","down"],"things":{"a":{"seen":5,"spans":[[1,0],[2,1]]}}}`), int64(6))
	f.Fuzz(func(_ *testing.T, data []byte, ms int64) {
		l := New("unknown", "up", "unknown", "down")
		if l.parse(data) == nil {
			l.See("a", "up", time.UnixMilli(ms), pause)
			l.Spans("a")
		}
	})
}

// BenchmarkMemory is what 10,000 things cost at the worst.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		l := newLog()
		for n := range 10_000 {
			name, now := fmt.Sprint(n), noon
			for i := range 2 * MaxSpans {
				now = now.Add(time.Minute)
				l.See(name, []string{"up", "down"}[i%2], now, pause)
			}
		}
	}
}
