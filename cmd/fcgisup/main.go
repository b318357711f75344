package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/check"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/supervise"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// The main goroutine keeps the main thread, the only one that an execve(2)
// leaves: the workers that run forks end with the thread that forked them.
func init() { runtime.LockOSThread() }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is what a command reads and writes.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// cli is what all commands share.
type cli struct {
	*term.Env
	// runner is that of the command run.
	runner *supervise.Runner
}

// run is the whole program but for os.Exit; the result is the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	out := &term.CheckedOutput{Writer: io.out}
	c := &cli{Env: &term.Env{In: io.in, Out: out, Err: io.err, Args: args, Getenv: os.Getenv, Version: versionText}}
	root := c.rootCommand()
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	term.OwnWords(root)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && out.Err != nil {
		err = fmt.Errorf("cannot write to standard output: %w", out.Err)
	}
	c.Command = cmd.CommandPath()
	code := c.Report(err)
	if cmd.Name() == "run" && code != term.ExitDone {
		c.runner.Stay(ctx)
	}
	if cmd.Name() == "check" {
		return check.ExitCode(code, err)
	}
	return code
}

func (c *cli) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fcgisup",
		Short: "Supervise FastCGI programs behind systemd sockets and nginx",
		Long: `fcgisup supervises FastCGI programs behind systemd sockets and a web server. It
starts instances on their first request, replaces workers that crash or hang,
and restarts without losing a request. Programs need no changes.`,
		Example: `  fcgisup demo                       try it, nothing installed
  fcgisup init && fcgisup validate   start a configuration
  fcgisup apply                      install and start what it describes
  fcgisup status --watch             show the state of the instances`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if c.Config == "" && cmd.Flags().Changed("config") {
				return term.Usage(errors.New("--config names no file"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.PersistentFlags().StringVar(&c.Config, "config", "", "configuration `FILE` (default $FCGISUP_CONFIG, ./fcgisup.yaml, /etc/fcgisup/fcgisup.yaml)")
	root.PersistentFlags().BoolVar(&c.ExpandEnv, "expand-env", false, "replacement of ${NAME} and ${NAME:-DEFAULT} in the configuration by environment variables (or $"+fcgisup.EnvExpand+"=1)")
	root.PersistentFlags().BoolVar(&c.NoColour, "no-color", false, "output without colour (or $NO_COLOR); a pipe or file never gets colour")
	root.SetFlagErrorFunc(term.BadFlag)
	root.SetUsageFunc(term.PrintUsage)
	root.AddCommand(c.commands()...)
	c.complete(root)
	term.UsageArgs(root)
	return root
}
