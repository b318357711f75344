package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/doctor"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func (c *cli) sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sandbox APP",
		Short: "Find what systemd.sandbox: strict would take from an app",
		Long: `sandbox looks at this host for what an app may need and "systemd.sandbox: strict"
takes away: set-user-ID and set-group-ID programs that its user may run (sendmail
and postdrop, wrappers), its user's home, directories of its user below /etc and
/usr, sockets in /tmp. It prints them, and configuration to paste into the app.
It cannot know which of them the program uses.

The default, basic, takes none of this but writing below /etc and /usr, and /tmp.
"fcgisup validate", "apply" and "doctor" warn of the same for apps with strict.
Run it as root: others do not see all directories.`,
		Example: "  fcgisup sandbox rt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			for _, app := range cfg.Apps {
				if app.Name == args[0] {
					return doctor.ReportNeeds(cmd.Context(), c.Out, app)
				}
			}
			return term.Usage(fmt.Errorf("sandbox: %s has no app %q", cfg.Path, args[0]))
		},
	}
}
