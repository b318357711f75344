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
		Long: `doctor looks at the configuration, at systemd (over D-Bus), at what nginx really
reads (nginx -T) and at the kernel, and explains what it finds, with a fix. It
changes nothing, starts nothing and wakes no sleeping instance. Without a
configuration it looks at the host alone: hand-written units and upstreams, too.

Errors refuse requests now, or will with the next start, or keep the monitor from
watching or an alert from its target, or let any user choose what root runs.
Warnings lose requests under load, after a crash or after a reboot. Notes say what could not be looked at, by whom it can,
and what is harmless so far.

Supervisors that run are asked whether a worker of theirs lives; the monitor's
unit and token, and the files and programs of alerts.to, are looked at as well.

Whether the web server may connect is tried without connecting, which would wake
an instance: with the credentials of nginx's workers (user, group and
supplementary groups, as they run) and in their mount namespace, every folder is
searched and the socket asked for write permission, which is what connect(2)
itself asks. Whether an app's user may read the configuration is tried in the
same way. Security modules have a say of their own and are not asked.

Backends on other hosts are not looked at.

Root sees everything. Others see what they may, and a note says what is missing.

Exit code 0: no error; 1: at least one; 2: the configuration or the command line
is wrong.`,
		Example: `  fcgisup doctor
  fcgisup doctor --json | jq -r '.[] | select(.severity != "note") | .id + " " + .subject'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&d.JSON, "json", false, "print a JSON array of id, severity, subject, message and fix")
	cmd.Flags().StringVar(&d.Binary, "binary", units.Binary, "`PATH` of fcgisup in the units")
	return cmd
}
