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
		Short: "Show the state of the instances",
		Long: `status asks the supervisors of this host, through their control sockets below
` + control.Root + `, and shows a line per instance. Configured instances whose socket
listens without a supervisor are sleeping until their first request. --json
prints the instances with the fields of GET /status on the control socket.`,
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
	cmd.Flags().StringVar(&s.Control, "control", "", "`PATH` of one control socket (default all below "+control.Root+")")
	cmd.Flags().BoolVar(&s.JSON, "json", false, "JSON array of instances, with the fields of the control API")
	cmd.Flags().BoolVar(&watch, "watch", false, "refresh every second until interrupted")
	return cmd
}
