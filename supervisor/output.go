package supervisor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
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
			line(printable(text))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// printable is text that does nothing to a terminal: what is not UTF-8 is
// replaced, control characters are shown as \x1b.
func printable(text []byte) string {
	valid := string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
	if strings.IndexFunc(valid, control) < 0 {
		return valid
	}
	var out strings.Builder
	for _, r := range valid {
		if control(r) {
			fmt.Fprintf(&out, `\x%02x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func control(r rune) bool { return unicode.IsControl(r) && r != '\t' }
