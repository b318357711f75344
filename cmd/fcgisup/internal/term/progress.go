package term

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// progressAfter is how long a step takes before it is shown.
	progressAfter = 2 * time.Second
	progressEvery = time.Second
)

// Progress is a line on a terminal that says what a command waits for, once that takes more than two seconds. A pipe or a file
// gets none.
type Progress struct {
	w     io.Writer // nil without a terminal
	width int

	mu    sync.Mutex
	text  string
	begun time.Time
	shown bool
	ended chan struct{}
}

// Progress begins a line on standard error; Done ends it.
func (c *Env) Progress(format string, args ...any) *Progress {
	text := fmt.Sprintf(format, args...)
	if !isTerminal(c.Err) || c.Getenv("TERM") == "dumb" {
		return newProgress(nil, 0, text)
	}
	return newProgress(c.Err, columnsOf(fileOf(c.Err)), text)
}

func newProgress(w io.Writer, width int, text string) *Progress {
	p := &Progress{w: w, width: width, text: text, begun: time.Now(), ended: make(chan struct{})}
	if w != nil {
		go p.run()
	}
	return p
}

// Set changes what the line says.
func (p *Progress) Set(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

// Done removes the line, before other output. It may be called more than once.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return
	default:
		close(p.ended)
	}
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
}

// Line writes a line of text to w, above this one. Without a progress it only writes.
func (p *Progress) Line(w io.Writer, text string) {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.shown {
			_, _ = io.WriteString(p.w, "\r\x1b[K")
		}
	}
	_, _ = io.WriteString(w, text+"\n")
}

func (p *Progress) run() {
	next := time.NewTimer(progressAfter)
	defer next.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-next.C:
			p.draw()
			next.Reset(progressEvery)
		}
	}
}

func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return
	default:
	}
	p.shown = true
	took := time.Since(p.begun).Truncate(time.Second)
	// The last column stays free: a terminal may go to the next line behind it.
	_, _ = io.WriteString(p.w, "\r\x1b[K"+Cut(fmt.Sprintf("%s (%s)", p.text, took), p.width-1))
}
