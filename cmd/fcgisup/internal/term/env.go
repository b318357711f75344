package term

import (
	"io"
	"os"
)

// Env is what a command is given: its streams, its arguments and its surroundings.
type Env struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Args are the command line.
	Args []string
	// Command is the command that Args name, such as "fcgisup import"; empty: not known yet.
	Command string
	// Config is --config.
	Config string
	// ExpandEnv is --expand-env.
	ExpandEnv bool
	// NoColour is --no-color.
	NoColour bool
	Getenv   func(string) string
	// Version is the program's.
	Version func() string
}

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
