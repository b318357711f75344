package main

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// newLogger logs lines of key=value. The journal has its own time.
func newLogger(w io.Writer, getenv func(string) string, debug bool) *slog.Logger {
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

// backlogLines are kept for a reader that is slow.
const backlogLines = 4096

// neverBlocks passes lines on to a writer and drops them, counted, when that
// does not keep up: supervision must not wait for a log.
type neverBlocks struct {
	mu      sync.RWMutex // closed and lines
	closed  bool
	lines   chan []byte
	dropped atomic.Uint64
	done    chan struct{}
}

func newNeverBlocks(w io.Writer) *neverBlocks {
	n := &neverBlocks{lines: make(chan []byte, backlogLines), done: make(chan struct{})}
	go func() {
		defer close(n.done)
		for line := range n.lines {
			if d := n.dropped.Swap(0); d > 0 {
				fmt.Fprintf(w, "fcgisup: %d lines dropped: standard error was not read\n", d)
			}
			_, _ = w.Write(line) // nowhere to say so
		}
	}()
	return n
}

// Write takes one line.
func (n *neverBlocks) Write(line []byte) (int, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return len(line), nil
	}
	select {
	case n.lines <- append([]byte(nil), line...):
	default:
		n.dropped.Add(1)
	}
	return len(line), nil
}

// lastFlush bounds the wait for the reader at the end.
const lastFlush = 2 * time.Second

// flush waits, not for ever, until what has been logged so far is written.
func (n *neverBlocks) flush() {
	for end := time.Now().Add(lastFlush); len(n.lines) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Millisecond) // the last line is out of the channel before it is written
}

// close waits, not for ever, until what was logged is written. What comes later is dropped.
func (n *neverBlocks) close() {
	n.mu.Lock()
	n.closed = true
	close(n.lines)
	n.mu.Unlock()
	select {
	case <-n.done:
	case <-time.After(lastFlush):
	}
}
