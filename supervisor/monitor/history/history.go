package history

import (
	"slices"
	"sync"
	"time"
)

const (
	// Window is how far back it remembers.
	Window = 24 * time.Hour
	// MaxSpans bounds the spans of one thing, at ten minutes each on average.
	MaxSpans = 144
)

// Span is a time in one state.
type Span struct {
	From, Until time.Time
	State       string
}

// Log is the history of things by name. Its methods may be used at the same time.
type Log struct {
	states []string // from best to worst
	gap    int      // the state of not having looked

	mu     sync.Mutex // what follows
	strips map[string]*strip
	dirty  bool // a state has changed since the last save
}

// New is an empty history of things that are in one of states, best first. The
// state gap, one of them, stands for times without samples.
func New(gap string, states ...string) *Log {
	return &Log{states: states, gap: slices.Index(states, gap), strips: map[string]*strip{}}
}

// See notes that a thing is in a state now, and returns since when, as far as
// anybody has looked: pause is the pause between two samples that is not a gap.
func (l *Log) See(name, state string, now time.Time, pause time.Duration) (since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := slices.Index(l.states, state)
	if n < 0 {
		n = l.gap
	}
	s := l.strips[name]
	if s == nil {
		s = &strip{}
		l.strips[name] = s
	}
	if s.see(now.UnixMilli(), n, l.gap, pause.Milliseconds()) {
		l.dirty = true
	}
	return s.last().at()
}

// Spans are a thing's, oldest first; the newest ends with the last look.
func (l *Log) Spans(name string) []Span {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.strips[name]
	if s == nil {
		return nil
	}
	spans := make([]Span, 0, len(s.marks))
	begin := s.seen - Window.Milliseconds()
	for i, m := range s.marks {
		until := s.seen
		if i+1 < len(s.marks) {
			until = s.marks[i+1].ms()
		}
		span := Span{time.UnixMilli(max(m.ms(), begin)), time.UnixMilli(until), l.states[m.state()]}
		if last := len(spans) - 1; last >= 0 && spans[last].State == span.State {
			spans[last].Until = span.Until
			continue
		}
		spans = append(spans, span)
	}
	return spans
}

// Forget drops what has not been looked at since.
func (l *Log) Forget(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, s := range l.strips {
		if s.seen < since.UnixMilli() {
			delete(l.strips, name)
			l.dirty = true
		}
	}
}

// Dirty reports whether there is more to lose than the time of the last look.
func (l *Log) Dirty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dirty
}
