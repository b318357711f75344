package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/show"
)

func (c *cli) topCommand() *cobra.Command {
	s := show.Top(c.Env)
	var once bool
	cmd := &cobra.Command{
		Use:   "top [APP[@N]]",
		Short: "Show live what every worker does",
		Long: `top shows a line per worker: busy or idle and since when, requests seen (those
that come and go between two looks are not), memory. It is taken from the kernel;
the programs are not asked. A connection that nginx keeps alive looks busy.`,
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
	cmd.Flags().StringVar(&s.Control, "control", "", "`PATH` of one control socket")
	cmd.Flags().BoolVar(&s.JSON, "json", false, "JSON of the instances with their workers, as by status")
	cmd.Flags().BoolVar(&once, "once", false, "show it once")
	return cmd
}
