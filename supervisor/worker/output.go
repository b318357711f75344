package worker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// lineLimit cuts what a worker writes into lines of a size that journald takes whole.
	lineLimit = 8 << 10
	// tailLines of the last output are kept for the failure that may follow.
	tailLines = control.MaxFailureLines
)

// tail keeps the last lines that a worker wrote, as they are: of a flood, few are
// ever read.
type tail struct {
	mu sync.Mutex
	// lines is a ring of tailLines at most; next is the place of the next.
	lines [][]byte
	next  int
}

func tailOf(lines []string) *tail {
	t := &tail{}
	for _, line := range lines {
		t.add([]byte(line))
	}
	return t
}

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) < tailLines {
		t.lines = append(t.lines, nil)
	}
	// One byte more than is shown says that there was more.
	t.lines[t.next] = append(t.lines[t.next][:0], line[:min(len(line), control.MaxFailureLine+1)]...)
	t.next = (t.next + 1) % tailLines
}

// Lines are the kept lines, oldest first, safe to show.
func (t *tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for n := range t.lines {
		lines = append(lines, fcgisup.PrintableAtMost(string(t.lines[(t.next+n)%len(t.lines)]), control.MaxFailureLine))
	}
	return lines
}

// follow reads a worker's output to its end, line by line. A line is the reader's
// own until the next.
func follow(r io.Reader, line func([]byte)) {
	in := bufio.NewReaderSize(r, lineLimit)
	for {
		text, err := in.ReadSlice('\n') // a line over the limit comes in pieces
		if text = bytes.TrimRight(text, "\r\n"); len(text) > 0 {
			line(text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
