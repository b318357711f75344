package history

import "time"

// mark is the beginning of a span: milliseconds since 1970 and a state, in 8
// bytes, since there may be a million of them.
type mark int64

const stateBits = 3

func newMark(ms int64, state int) mark { return mark(max(ms, 0)<<stateBits | int64(state)) }

func (m mark) ms() int64     { return int64(m >> stateBits) }
func (m mark) state() int    { return int(m & (1<<stateBits - 1)) }
func (m mark) at() time.Time { return time.UnixMilli(m.ms()) }

// strip is the history of one thing. The last mark is never joined with others,
// so that it tells truly since when.
type strip struct {
	marks []mark
	seen  int64 // the last look
}

func (s *strip) last() mark { return s.marks[len(s.marks)-1] }

// see notes a look and reports whether the state has changed.
func (s *strip) see(now int64, state, gap int, pause int64) (changed bool) {
	now = max(now, 0)
	if len(s.marks) > 0 {
		changed = s.rewind(now)
	}
	switch {
	case len(s.marks) == 0:
		s.marks, changed = append(s.marks, newMark(now, state)), true
	case now-s.seen > pause && s.last().state() != gap:
		s.marks = append(s.marks, newMark(s.seen, gap))
	}
	if s.last().state() != state {
		s.marks, changed = append(s.marks, newMark(now, state)), true
	}
	s.seen = now
	s.prune(now - Window.Milliseconds())
	s.join()
	return changed
}

// rewind drops what a clock that has been set back makes the future.
func (s *strip) rewind(now int64) bool {
	n := len(s.marks)
	for n > 0 && s.marks[n-1].ms() > now {
		n--
	}
	dropped := n < len(s.marks)
	s.marks = s.marks[:n]
	s.seen = min(s.seen, now)
	return dropped
}

// prune drops the spans that ended before begin. The one that did not keeps its
// beginning, however long ago.
func (s *strip) prune(begin int64) {
	n := 0
	for n+1 < len(s.marks) && s.marks[n+1].ms() <= begin {
		n++
	}
	if n > 0 {
		s.marks = append(s.marks[:0], s.marks[n:]...)
	}
}

// join makes two spans one, the shortest pair first, while there are too many.
func (s *strip) join() {
	for len(s.marks) > MaxSpans {
		at, shortest := 0, int64(-1)
		for i := range len(s.marks) - 2 {
			if took := s.marks[i+2].ms() - s.marks[i].ms(); shortest < 0 || took < shortest {
				at, shortest = i, took
			}
		}
		worse := max(s.marks[at].state(), s.marks[at+1].state())
		s.marks[at] = newMark(s.marks[at].ms(), worse)
		s.marks = append(s.marks[:at+1], s.marks[at+2:]...)
	}
}
