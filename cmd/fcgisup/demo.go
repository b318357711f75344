package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	d := &demo.Demo{Env: c.Env}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try fcgisup with a built-in program, nothing installed",
		Long: `demo supervises five sleeping instances of a built-in FastCGI program and serves
them over HTTP. It sends requests, kills a worker, shows the replacement, and
prints the nginx upstream for the same instances. It then serves until it is
interrupted; with --once it ends. It needs no root, listens on loopback and on
sockets in a temporary directory, and leaves no files.`,
		Example: `  fcgisup demo
  fcgisup demo --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&d.Once, "once", false, "end after the tour, with exit code 1 if a step failed")
	cmd.Flags().StringVar(&d.Address, "http", "127.0.0.1:0", "`ADDRESS` of the HTTP server")
	cmd.Flags().BoolVar(&d.Verbose, "verbose", false, "log of the supervisor on standard error")
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
