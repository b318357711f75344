package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/show"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func (c *cli) topCommand() *cobra.Command {
	s := show.Top(c.Env)
	var once bool
	cmd := &cobra.Command{
		Use:   "top [APP[@N]]",
		Short: "Show the activity of every worker",
		Long: `top shows a line per worker, refreshed every second: busy or idle and since
when, requests seen, memory. The kernel is the source; programs are not asked.
Requests that begin and end between two samples are not counted, and a
connection that nginx keeps open looks busy.`,
		Example: "  fcgisup top\n  fcgisup top rt@3 --once\n  fcgisup top --once --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := s.Choose(args[0]); err != nil {
					return err
				}
			}
			if once {
				return s.Once(cmd.Context())
			}
			return s.Watch(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&s.Control, "control", "", "`PATH` of one control socket (default all below "+control.Root+")")
	cmd.Flags().BoolVar(&s.JSON, "json", false, "JSON array of instances with their workers, as by status")
	cmd.Flags().BoolVar(&once, "once", false, "one table instead of a refresh every second")
	return cmd
}
