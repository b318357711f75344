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
		Short: "Take an app off this host: the way back from apply",
		Long: `remove stops and disables an app's units and removes the files that apply wrote
for it. nginx goes first: its files of the app are removed and the rest tested,
and if something else in its configuration still needs them all is put back.
The configuration of fcgisup and the administrator's drop-ins stay; as long as
the configuration has the app, the next apply brings it back.`,
		Example: "  fcgisup remove rt --dry-run\n  fcgisup remove rt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fcgisup.CheckName(args[0]); err != nil {
				return term.Usage(fmt.Errorf("the app's name %w", err))
			}
			a.What = "remove " + args[0]
			return a.Remove(cmd.Context(), args[0])
		},
	}
	a.Define(cmd.Flags())
	return cmd
}
