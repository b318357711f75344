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
		Short: "Bring this host to what the configuration says",
		Long: `apply compares the configuration with the files, the units and the web server of
this host and does what is missing: it writes the files that gen renders (to
/etc/systemd/system, /etc/nginx/conf.d/APP-upstream.conf and
/etc/nginx/snippets/APP-location.conf), tests nginx, enables and starts targets
and sockets, applies changed settings to what runs, waits until eager instances
answer, reloads nginx, and then stops what is gone. When all agrees it does
nothing. --dry-run prints the plan and the differences instead. The host's
monitor is told: another monitor.listen or monitor.interval restarts it, and the
first configuration starts it if it waits for one.

No request is lost: new instances listen before nginx knows them, and those that
go are stopped when nginx's old workers have ended and the kernel shows no
connection to them. A changed service is restarted instance by instance while
its requests wait in the socket; a changed app is reloaded. A changed [Socket]
section needs its socket closed and opened, and that happens while nobody
uses it; nginx sends nothing there meanwhile, if there is another instance to
send it to. So does a changed service that has no supervisor. One that stays in
use for --drain is left alone and the apply undone, unless --restart-sockets says
to cut what the socket holds. What cannot be had without a gap is an app that
moves to another address: nginx is reloaded right after its sockets have moved.

Before it changes anything, apply looks for what will keep its apps from working,
with the rules of doctor: errors stop it, --force goes on in spite of them;
warnings are printed.

If a step before the last fails (the test of nginx, a start, a probe) everything
written is put back, and the error says which step. If what fails is a supervisor
that cannot be asked or refuses, that concerns its own app: the others are then
applied without it, and the exit code is 1. Files that were edited, or
that are neither apply's nor what gen renders for this app with any number of
instances, are not touched without --force; drop-ins are the administrator's
and never touched. Apps that are in the configuration no
more are removed. With APPs, only those are looked at.

Without nginx only the units are applied. The page that nginx serves is yours:
include snippets/APP-location.conf in a server block.`,
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
	cmd.Flags().BoolVar(&a.RestartSockets, "restart-sockets", false, "close sockets whose settings have changed although they are in use")
	cmd.Flags().StringVar(&a.Binary, "binary", units.Binary, "`PATH` of fcgisup in the units")
	return cmd
}
