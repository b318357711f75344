package term

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Screen is what a page is drawn for.
type Screen struct {
	Colour bool
	// Width is in columns; 0, as for a file or a pipe, has no limit.
	Width int
}

// Screen is that of standard output.
func (c *Env) Screen() Screen {
	s := Screen{Colour: c.Colour()}
	if f := fileOf(c.Out); f != nil && c.Terminal() {
		s.Width = columnsOf(f)
	}
	return s
}

// columnsOf is the width of a terminal.
func columnsOf(f *os.File) int {
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		return int(size.Col)
	}
	return 80
}

// Terminal reports whether standard output is one.
func (c *Env) Terminal() bool { return isTerminal(c.Out) }

// Colour follows the terminal, --no-color, $NO_COLOR and $TERM.
func (c *Env) Colour() bool {
	return !c.NoColour && c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb" && c.Terminal()
}

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	if f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// fileOf is the file behind a stream, or nil.
func fileOf(w io.Writer) *os.File {
	if o, ok := w.(*CheckedOutput); ok {
		w = o.Writer
	}
	f, _ := w.(*os.File)
	return f
}
