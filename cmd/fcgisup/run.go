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
		Short: "Supervise an app's instances",
		Long: `run supervises one instance of an app, or all of them, until SIGTERM.

It adopts the listening sockets that systemd passes (LISTEN_FDS, matched by
FileDescriptorName=, else by address); without any it makes its own. An
instance starts its workers with its first request (activation: lazy), each
with the socket as its standard input.

SIGTERM and SIGINT stop gently: no worker is signalled while it serves. A second
one kills. SIGHUP applies the configuration anew. SIGUSR2, or SIGHUP after the
program file was replaced, has the new program take over: the process, its
sockets and its workers stay, only HTTP connections to fcgisup itself are closed.

After -- comes the command of an app that no configuration describes; it runs as
whoever runs fcgisup, unless --user says otherwise.`,
		Example: `  fcgisup run --app rt --instance 1
  fcgisup run --listen /run/hello.sock --workers 4 -- /usr/local/bin/hello.fcgi
  fcgisup run --listen /tmp/php.sock --http 127.0.0.1:8080 --param SCRIPT_FILENAME=/srv/index.php -- /usr/bin/php-cgi`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var command []string
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				command, args = args[at:], args[:at]
			}
			if len(args) > 0 {
				return term.Usage(fmt.Errorf("unexpected argument %q; the app is named by --app, the command follows --", args[0]))
			}
			return r.Run(cmd.Context(), command, cmd.Flags().Changed)
		},
	}
	r.Define(cmd.Flags())
	c.runner = r
	return cmd
}
