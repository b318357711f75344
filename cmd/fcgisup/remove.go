package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func (c *cli) removeCommand() *cobra.Command {
	a := &deploy.Applier{Env: c.Env}
	cmd := &cobra.Command{
		Use:   "remove APP",
		Short: "Remove an app from this host",
		Long: `remove stops and disables the units of an app, and removes the files that apply
wrote for it. The nginx files go first: if nginx -t fails without them, because
another file includes them, everything is restored.

The configuration and drop-ins stay. While the configuration has the app, the
next apply installs it again.`,
		Example: "  fcgisup remove rt --dry-run\n  fcgisup remove rt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fcgisup.CheckName(args[0]); err != nil {
				return term.Usage(fmt.Errorf("remove: APP %w", err))
			}
			a.What = "remove " + args[0]
			return a.Remove(cmd.Context(), args[0])
		},
	}
	a.Define(cmd.Flags())
	return cmd
}
