package service

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// NewLogger logs lines of key=value. The journal has its own time.
func NewLogger(w io.Writer, getenv func(string) string, debug bool) *slog.Logger {
	opt := &slog.HandlerOptions{Level: slog.LevelInfo}
	if debug {
		opt.Level = slog.LevelDebug
	}
	if getenv("JOURNAL_STREAM") != "" {
		opt.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// Lines that are kept for a reader that is slow. Workers' lines give way to our own
// once more than fewLines wait; until then all are in the order in which they came.
const (
	ownLines    = 16384
	workerLines = 4096
	fewLines    = 64
	// batch is about how much is written at once.
	batch = 16 << 10
)

// AsyncWriter passes lines on to a writer and drops them, counted, when that
// does not keep up: supervision must not wait for a log. Our own lines have a
// queue of their own, so that no worker's output crowds them out.
type AsyncWriter struct {
	// news has room for one: there are lines.
	news chan struct{}
	done chan struct{}

	mu      sync.Mutex // what follows
	closed  bool
	came    uint64 // numbers the lines
	own     lineQueue
	workers lineQueue
	writing bool
}

// lineQueue is a queue with a limit.
type lineQueue struct {
	lines   []numberedLine
	limit   int
	dropped uint64
}

type numberedLine struct {
	n    uint64
	text []byte
}

func (q *lineQueue) add(n uint64, text []byte) {
	if len(q.lines) >= q.limit {
		q.dropped++
		return
	}
	q.lines = append(q.lines, numberedLine{n, text})
}

func (q *lineQueue) take() []byte {
	text := q.lines[0].text
	q.lines[0].text = nil
	if q.lines = q.lines[1:]; len(q.lines) == 0 {
		q.lines = nil
	}
	return text
}

// NewAsyncWriter writes to w in a goroutine of its own.
func NewAsyncWriter(w io.Writer) *AsyncWriter {
	n := &AsyncWriter{
		news: make(chan struct{}, 1), done: make(chan struct{}),
		own: lineQueue{limit: ownLines}, workers: lineQueue{limit: workerLines},
	}
	go n.write(w)
	return n
}

func (n *AsyncWriter) write(w io.Writer) {
	defer close(n.done)
	for {
		text, closed := n.next()
		if len(text) > 0 {
			_, _ = w.Write(text) // nowhere to say so
			continue
		}
		if closed {
			return
		}
		<-n.news
	}
}

// next takes the lines that are to be written now.
func (n *AsyncWriter) next() (text []byte, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, q := range []*lineQueue{&n.own, &n.workers} {
		if q.dropped > 0 {
			text = fmt.Appendf(text, "fcgisup: %d lines dropped: standard error was not read\n", q.dropped)
			q.dropped = 0
		}
	}
	for len(text) < batch && len(n.own.lines)+len(n.workers.lines) > 0 {
		q := &n.workers
		if len(q.lines) == 0 || len(n.own.lines) > 0 && (len(q.lines) > fewLines || n.own.lines[0].n < q.lines[0].n) {
			q = &n.own
		}
		text = append(text, q.take()...)
	}
	n.writing = len(text) > 0
	return text, n.closed
}

// Write takes one line of our own.
func (n *AsyncWriter) Write(line []byte) (int, error) {
	n.add(&n.own, append([]byte(nil), line...))
	return len(line), nil
}

// Worker takes one line of a worker.
func (n *AsyncWriter) Worker(line []byte) { n.add(&n.workers, line) }

func (n *AsyncWriter) add(q *lineQueue, line []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.came++
	q.add(n.came, line)
	n.wake()
}

func (n *AsyncWriter) wake() {
	select {
	case n.news <- struct{}{}:
	default:
	}
}

// lastFlush bounds the wait for the reader at the end.
const lastFlush = 2 * time.Second

// Flush waits, not for ever, until what has been logged so far is written.
func (n *AsyncWriter) Flush() {
	for end := time.Now().Add(lastFlush); n.waiting() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func (n *AsyncWriter) waiting() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.writing || len(n.own.lines)+len(n.workers.lines) > 0
}

// Close waits, not for ever, until what was logged is written. What comes later is dropped.
func (n *AsyncWriter) Close() {
	n.mu.Lock()
	n.closed = true
	n.wake()
	n.mu.Unlock()
	select {
	case <-n.done:
	case <-time.After(lastFlush):
	}
}
