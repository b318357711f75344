package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/supervise"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func (c *cli) runCommand() *cobra.Command {
	r := &supervise.Runner{Env: c.Env}
	cmd := &cobra.Command{
		Use:   "run [--app APP] [--instance N] [-- COMMAND...]",
		Short: "Supervise the instances of an app",
		Long: `run supervises one instance of an app, or all of them, until SIGTERM. The
generated units call it.

It takes the listening sockets that systemd passes, or creates its own. With
activation: lazy an instance starts its workers on its first request. Workers
inherit the socket as standard input.

SIGTERM and SIGINT stop workers when they serve no request; a second signal
kills them. SIGHUP applies the configuration again. SIGUSR2 executes the
installed fcgisup in the same process; sockets and workers stay. So does SIGHUP
if the program file was replaced.

After -- comes the command of an app without a configuration. It runs as the
calling user unless --user names another one.`,
		Example: `  fcgisup run --app rt --instance 1
  fcgisup run --listen /run/hello.sock --workers 4 -- /usr/local/bin/hello.fcgi
  fcgisup run --http 127.0.0.1:8080 -- /usr/local/bin/hello.fcgi`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var command []string
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				command, args = args[at:], args[:at]
			}
			if len(args) > 0 {
				return term.Usage(fmt.Errorf("run: unexpected argument %q; --app names the app, the command follows --", args[0]))
			}
			return r.Run(cmd.Context(), command, cmd.Flags().Changed)
		},
	}
	r.Define(cmd.Flags())
	c.runner = r
	return cmd
}
