package term

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Env is what a command is given: its streams, its arguments and its surroundings.
type Env struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Args are the command line.
	Args []string
	// Config is --config.
	Config string
	// ExpandEnv is --expand-env.
	ExpandEnv bool
	Getenv    func(string) string
	// Version is the program's.
	Version func() string
}

// Terminal reports whether standard output is one.
func (c *Env) Terminal() bool {
	o, ok := c.Out.(*CheckedOutput)
	if !ok {
		return false
	}
	f, ok := o.Writer.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Colour follows the terminal and $NO_COLOR.
func (c *Env) Colour() bool { return c.Terminal() && c.Getenv("NO_COLOR") == "" }

// CheckedOutput remembers that writing has failed, for commands that print many lines.
type CheckedOutput struct {
	io.Writer
	Err error
}

func (o *CheckedOutput) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.Err == nil {
		o.Err = err
	}
	return n, err
}

// IsRoot reports whether doctor may look at everything.
func IsRoot() bool { return os.Geteuid() == 0 }
