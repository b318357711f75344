package service

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// gatedWriter takes nothing before it is opened.
type gatedWriter struct {
	open chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *gatedWriter) Write(b []byte) (int, error) {
	<-w.open
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *gatedWriter) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Split(strings.TrimSuffix(w.text.String(), "\n"), "\n")
}

func TestWorkersDoNotCrowdOutOurOwnLines(t *testing.T) {
	w := &gatedWriter{open: make(chan struct{})}
	n := NewAsyncWriter(w)
	const own = 3 * workerLines
	for k := range 3 * workerLines {
		n.Worker([]byte("worker\n"))
		fmt.Fprintf(n, "own %d\n", k)
	}
	close(w.open)
	n.Close()
	next, dropped := 0, 0
	for _, line := range w.lines() {
		switch {
		case line == fmt.Sprintf("own %d", next):
			next++
		case strings.HasPrefix(line, "own"):
			t.Fatalf("%q, want own %d", line, next)
		case strings.Contains(line, "lines dropped"):
			if _, err := fmt.Sscanf(line, "fcgisup: %d lines dropped", &dropped); err != nil {
				t.Errorf("%q", line)
			}
		}
	}
	if next != own {
		t.Errorf("%d of %d own lines were written", next, own)
	}
	if dropped < own-workerLines-batch || dropped > own-workerLines {
		t.Errorf("%d dropped lines reported, of %d at most %d were kept", dropped, own, workerLines)
	}
}

func TestLinesAreInOrderForAReaderThatKeepsUp(t *testing.T) {
	w := &gatedWriter{open: make(chan struct{})}
	close(w.open)
	n := NewAsyncWriter(w)
	var want []string
	for k := range 1000 {
		line := fmt.Sprintf("%d", k)
		want = append(want, line)
		if k%3 == 0 {
			fmt.Fprintln(n, line)
		} else {
			n.Worker([]byte(line + "\n"))
		}
		if k%10 == 0 {
			n.Flush()
		}
	}
	n.Flush()
	if got := w.lines(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q", got)
	}
	n.Close()
	_, _ = io.WriteString(n, "too late\n")
}

func TestAReaderThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	n := NewAsyncWriter(&gatedWriter{open: make(chan struct{})})
	for range 2 * ownLines {
		fmt.Fprintln(n, "own")
	}
	n.mu.Lock()
	kept, dropped := len(n.own.lines), n.own.dropped
	n.mu.Unlock()
	if kept > ownLines || dropped < ownLines-batch {
		t.Errorf("%d kept, %d dropped", kept, dropped)
	}
	begun := time.Now()
	n.Close()
	if time.Since(begun) > 2*lastFlush {
		t.Error("the end waits for the reader")
	}
}
