package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/check"
)

func (c *cli) checkCommand() *cobra.Command {
	k := check.New(c.Env)
	cmd := &cobra.Command{
		Use:   "check [ADDRESS...]",
		Short: "Probe backends once, as a Nagios plugin does",
		Long: `check asks every ADDRESS (a socket path or HOST:PORT) once, all at the same time,
and prints a line for each. With --path it sends a real request. Without, it sends
a ping, but only to programs that their supervisor has seen answering one, as
others end when they get it: those are judged by what the kernel shows.

Without ADDRESS it asks the instances of the configuration as their health:
section says. Those that sleep are left asleep.

A backend that does not answer because it serves others is busy, as its
supervisor or, for sockets of this host, the kernel tells; not so one that only
holds requests whose clients have gone.

Exit code 0: all answered right; 1: some are busy (serving others, queue full or
overloaded); 2: some are wrong or do not answer; 3: it could not be tried, or a
program that answers no ping is not seen accepting.`,
		Example: `  fcgisup check /run/rt1.sock --path /static/images/bpslogo.png --expect 200
  fcgisup check 127.0.0.1:9000 --path /ping --param SCRIPT_FILENAME=/ping --body pong
  fcgisup check --app rt --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.Run(cmd.Context(), args, cmd.Flags().Changed)
		},
	}
	k.Define(cmd.Flags())
	return cmd
}
