package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/doctor"
	"github.com/fcgisup/fcgisup/units"
)

func (c *cli) doctorCommand() *cobra.Command {
	d := &doctor.Doctor{Env: c.Env}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Diagnose problems on this host and suggest fixes",
		Long: `doctor reads the configuration, systemd's state, the files that nginx reads
(nginx -T) and kernel tables, and prints each problem with a fix. It changes
nothing, starts nothing, and wakes no sleeping instance. Without a configuration
it examines the host alone, including hand-written units and upstreams.

Errors: requests are refused now or after the next start, monitoring or alerts
do not work, or other users can change what root runs. Warnings: requests are
lost under load, after a crash, or after a reboot. Notes: what could not be
examined, and what is harmless so far. Run as root to examine everything.

Exit code 0: no errors; 1: at least one error; 2: wrong usage or an invalid
configuration.`,
		Example: `  fcgisup doctor
  fcgisup doctor --json | jq -r '.[] | select(.severity == "error") | .subject'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&d.JSON, "json", false, "JSON array of objects with id, severity, subject, message and fix")
	cmd.Flags().StringVar(&d.Binary, "binary", units.Binary, "`PATH` of fcgisup in the units")
	return cmd
}
