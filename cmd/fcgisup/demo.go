package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	d := &demo.Demo{Env: c.Env}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: five instances of a built-in program, nothing installed",
		Long: `demo supervises five sleeping instances of a FastCGI program that is built in,
and passes HTTP to them. It sends requests, kills a worker, shows it come back,
and prints the nginx upstream for the same instances. Then it goes on serving
until it is interrupted, or ends with --once. It needs no root, listens on
loopback and on sockets in a temporary folder, and leaves nothing behind.`,
		Example: "  fcgisup demo --once",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return d.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&d.Once, "once", false, "end after the tour; exit code 1 if anything failed")
	cmd.Flags().StringVar(&d.Address, "http", "127.0.0.1:0", "serve HTTP on `ADDRESS`")
	cmd.Flags().BoolVar(&d.Verbose, "verbose", false, "show the supervisor's log")
	return cmd
}

// demoWorkerCommand is the sample FastCGI program of demo: it accepts on its
// standard input, as any other does.
func (c *cli) demoWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    demo.WorkerCommand,
		Short:  "The FastCGI program of demo",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return demo.ServeWorker()
		},
	}
}
