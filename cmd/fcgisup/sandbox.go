package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/doctor"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func (c *cli) sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sandbox APP",
		Short: "List what systemd.sandbox: strict would forbid an app",
		Long: `sandbox lists what the app's user could use on this host and what
"systemd.sandbox: strict" would forbid: set-user-ID and set-group-ID programs
such as sendmail, the user's home, the user's directories below /etc and /usr,
sockets in /tmp. It prints the list as configuration to copy into the app. It
cannot know which of these the program uses.

The default, basic, lets an app write where its user may, except below /usr
(without /usr/local) and /boot, and gives it a /tmp of its own.
Run as root: other users cannot read all directories.`,
		Example: "  fcgisup sandbox rt\n  fcgisup sandbox rt --config ./fcgisup.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			app, err := term.PickApp(cfg, args[0])
			if err != nil {
				return err
			}
			return doctor.ReportNeeds(cmd.Context(), c.Env, app)
		},
	}
}
