package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/doctor"
	"github.com/fcgisup/fcgisup/units"
)

func (c *cli) applyCommand() *cobra.Command {
	a := &deploy.Applier{Env: c.Env, What: "apply", Preflight: doctor.Preflight}
	cmd := &cobra.Command{
		Use:   "apply [APP...]",
		Short: "Make this host match the configuration",
		Long: `apply makes this host match the configuration. It writes the units and the nginx
files that gen renders, tests nginx, starts what is new, applies changed
settings to running apps, reloads nginx, and stops what was removed. If nothing
has changed, it does nothing. --dry-run prints the plan and the differences.

No request is lost: new instances listen before nginx knows them, and removed
ones stop when they have no connections left. If a step fails, apply restores
every file that it wrote, and the error names the step.

Errors that doctor would report for these apps stop apply before any change;
--force continues. Files that were edited are not changed without --force, and
drop-ins never. Apps that the configuration no longer has are removed.

Include snippets/APP-location.conf in a server block of nginx. On a host without
nginx only the units are applied.`,
		Example: `  fcgisup apply --dry-run
  fcgisup apply
  fcgisup apply rt --drain 5m`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Apply(cmd.Context(), args)
		},
	}
	a.Define(cmd.Flags())
	a.Hosts.Define(cmd.Flags(), "default the one that has this machine's name or address")
	cmd.Flags().BoolVar(&a.RestartSockets, "restart-sockets", false, "closing of changed sockets that are still in use after --drain")
	cmd.Flags().StringVar(&a.Binary, "binary", units.Binary, "`PATH` of fcgisup in the units")
	return cmd
}
