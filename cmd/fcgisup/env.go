package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// env is what a command is given: its streams, its arguments and its surroundings.
type env struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	// args are the command line.
	args []string
	// config is --config.
	config string
	getenv func(string) string
}

// terminal tells whether standard output is one.
func (c *env) terminal() bool {
	o, ok := c.out.(*checkedOutput)
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

// colour follows the terminal and $NO_COLOR.
func (c *env) colour() bool { return c.terminal() && c.getenv("NO_COLOR") == "" }

// checkedOutput remembers that writing has failed, for commands that print many lines.
type checkedOutput struct {
	io.Writer
	err error
}

func (o *checkedOutput) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// isRoot tells whether doctor may look at everything.
func isRoot() bool { return os.Geteuid() == 0 }
