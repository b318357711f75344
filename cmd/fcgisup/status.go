package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/show"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func (c *cli) statusCommand() *cobra.Command {
	s := show.Status(c.Env)
	watch := false
	cmd := &cobra.Command{
		Use:   "status [APP[@N]]",
		Short: "Show how the instances are",
		Long: `status asks every supervisor on this host, found by its control socket under
` + control.Root + `, or the one at --control, and shows a line per instance. Configured instances whose
socket is there, and no supervisor, sleep until their first request.`,
		Example: `  fcgisup status
  fcgisup status rt --watch
  fcgisup status rt@3 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := s.Choose(args[0]); err != nil {
					return err
				}
			}
			if watch {
				return s.Watch(cmd.Context())
			}
			return s.Once(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&s.Control, "control", "", "`PATH` of one control socket")
	cmd.Flags().BoolVar(&s.JSON, "json", false, "print a JSON array")
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again every second until interrupted")
	return cmd
}
