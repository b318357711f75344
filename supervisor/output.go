package supervisor

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/fcgisup/fcgisup"
)

const (
	// lineLimit cuts what a worker writes into lines of a size that journald takes whole.
	lineLimit = 8 << 10
	// tailLines of the last output are kept for the failure that may follow.
	tailLines = 20
)

// tail keeps the last lines that a worker wrote.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:tailLines-1]
	}
	t.lines = append(t.lines, line)
}

// Lines are the kept lines, oldest first.
func (t *tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}

// follow reads a worker's output to its end, line by line.
func follow(r io.Reader, line func(string)) {
	in := bufio.NewReaderSize(r, lineLimit)
	for {
		text, err := in.ReadSlice('\n') // a line over the limit comes in pieces
		if text = bytes.TrimRight(text, "\r\n"); len(text) > 0 {
			line(fcgisup.Printable(string(text)))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
