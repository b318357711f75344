package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/fcgisup/fcgisup/supervisor/monitor/durable"
)

const (
	format  = 1
	maxFile = 256 << 20 // bytes; 10,000 things that change all the time are 30 MB
)

// ErrUnusable marks a file that is not a history of this version.
var ErrUnusable = errors.New("it is not a history that this version can read")

// file is the whole of it, as JSON.
type file struct {
	Format int                  `json:"format"`
	States []string             `json:"states"`
	Things map[string]fileStrip `json:"things"`
}

// fileStrip has times in milliseconds since 1970.
type fileStrip struct {
	Seen  int64      `json:"seen"`
	Spans [][2]int64 `json:"spans"` // from, number of the state
}

// Open reads the file at path, or begins again when there is none. A file that
// cannot be used is renamed to path+".unusable", in place of an older one; the
// error then wraps [ErrUnusable] and the Log is empty and usable.
func Open(path, gap string, states ...string) (*Log, error) {
	l := New(gap, states...)
	err := l.read(path)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return l, nil
	case errors.Is(err, ErrUnusable):
		l = New(gap, states...)
		if moved := os.Rename(path, path+".unusable"); moved != nil {
			return l, errors.Join(err, moved)
		}
	}
	return l, err
}

func (l *Log) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read the history: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("cannot read the history: %w", err)
	}
	if err := l.parse(data); err != nil {
		return fmt.Errorf("cannot read the history %s: %w: %w", path, ErrUnusable, err)
	}
	return nil
}

func (l *Log) parse(data []byte) error {
	if len(data) > maxFile {
		return fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	var from file
	if err := json.Unmarshal(data, &from); err != nil {
		return err
	}
	if from.Format != format {
		return fmt.Errorf("its format is %d, not %d", from.Format, format)
	}
	for name, s := range from.Things {
		strip, err := l.strip(s, from.States)
		if err != nil {
			return fmt.Errorf("of %q: %w", name, err)
		}
		l.strips[name] = strip
	}
	return nil
}

// strip takes only what it could have written.
func (l *Log) strip(from fileStrip, states []string) (*strip, error) {
	s := &strip{seen: from.Seen}
	if len(from.Spans) == 0 || len(from.Spans) > MaxSpans {
		return nil, fmt.Errorf("%d spans", len(from.Spans))
	}
	const latest = 1 << 59 // what a mark can hold
	before := int64(0)
	for _, span := range from.Spans {
		if span[0] < before || span[0] > from.Seen || from.Seen > latest {
			return nil, fmt.Errorf("a span from %d between %d and %d", span[0], before, from.Seen)
		}
		before = span[0]
		if span[1] < 0 || span[1] >= int64(len(states)) {
			return nil, fmt.Errorf("state number %d of %d", span[1], len(states))
		}
		state := slices.Index(l.states, states[span[1]])
		if state < 0 {
			return nil, fmt.Errorf("state %q", states[span[1]])
		}
		s.marks = append(s.marks, newMark(span[0], state))
	}
	return s, nil
}

// Save replaces the file at path: after a crash of this program or of the
// machine it is the old one or the new one, whole.
func (l *Log) Save(path string) error {
	data, err := l.encode()
	if err == nil {
		err = durable.Replace(path, data)
	}
	if err != nil {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
		return fmt.Errorf("cannot save the history: %w", err)
	}
	return nil
}

func (l *Log) encode() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := file{Format: format, States: l.states, Things: make(map[string]fileStrip, len(l.strips))}
	for name, s := range l.strips {
		spans := make([][2]int64, len(s.marks))
		for i, m := range s.marks {
			spans[i] = [2]int64{m.ms(), int64(m.state())}
		}
		to.Things[name] = fileStrip{s.seen, spans}
	}
	l.dirty = false
	return json.Marshal(to)
}
