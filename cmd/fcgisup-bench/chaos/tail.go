package chaos

import (
	"bufio"
	"os"
	"strings"
	"sync"
	"time"
)

// tailLines are kept of a log; a dump of all goroutines takes a few hundred.
const tailLines = 5000

// tail is the end of a log.
type tail struct {
	mu    sync.Mutex
	lines []logLine
	// pause, if set, is what the reader waits for.
	pause chan struct{}
	// resumed counts programs that took over.
	resumed int
	// closed tells that the present supervisor's log cannot be read.
	closed bool
}

type logLine struct {
	at   time.Time
	text string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, logLine{time.Now(), line}); len(t.lines) > tailLines {
		t.lines = t.lines[len(t.lines)-tailLines:]
	}
	if strings.Contains(line, "resumed=true") {
		t.resumed++
	}
}

func (t *tail) follow(from *os.File) {
	defer from.Close()
	t.close(false)
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			t.add(strings.TrimSuffix(line, "\n"))
		}
		if err != nil {
			return
		}
		t.mu.Lock()
		pause := t.pause
		t.mu.Unlock()
		if pause != nil {
			<-pause
		}
	}
}

func (t *tail) close(closed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = closed
}

// deafen stops the reader until the function that it returns is called.
func (t *tail) deafen() (hear func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pause := make(chan struct{})
	t.pause = pause
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.pause == pause {
			t.pause = nil
		}
		close(pause)
	}
}

// text is what was logged between two moments.
func (t *tail) text(from, to time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, l := range t.lines {
		if !l.at.Before(from) && !l.at.After(to) {
			lines = append(lines, l.text)
		}
	}
	return strings.Join(lines, "\n")
}

// silent reports whether nothing can be known from it: its reader waits, or it is closed.
func (t *tail) silent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || t.pause != nil
}

func (t *tail) takeovers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.resumed
}
