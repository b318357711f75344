package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/check"
)

func (c *cli) checkCommand() *cobra.Command {
	k := check.New(c.Env)
	cmd := &cobra.Command{
		Use:   "check [ADDRESS...]",
		Short: "Probe backends once, as a Nagios plugin",
		Long: `check probes every ADDRESS (a socket path or HOST:PORT) once, all in parallel,
and prints a line for each. With --path it sends a real request. Without, it
sends a ping, but only to programs that are known to answer one; the others are
judged by the kernel's tables, because some programs exit when they get a ping.

Without ADDRESS it probes the instances of the configuration as their health:
section says. It does not wake sleeping instances.

A backend that times out while serving other requests is reported as busy.

Exit code 0: all answered correctly; 1: some are busy (serving other requests,
queue full, or overloaded); 2: some answered wrong or not at all; 3: unknown
(not tried, or a program that answers no ping does not accept connections).`,
		Example: `  fcgisup check /run/rt1.sock --path /static/images/bpslogo.png --expect 200
  fcgisup check 127.0.0.1:9000 --path /ping --param SCRIPT_FILENAME=/ping
  fcgisup check --app rt --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.Run(cmd.Context(), args, cmd.Flags().Changed)
		},
	}
	k.Define(cmd.Flags())
	return cmd
}
