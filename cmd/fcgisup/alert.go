package main

import (
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/watch"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
)

func (c *cli) alertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "Try the alerts of the monitor",
		Long: `The monitor tells the targets under alerts.to what is down for longer than
alerts.for, again every alerts.repeat, and when it is up again, for how long it was
down and why. Changes within ten seconds make one message. Nobody hears of what
was shorter, of what an operator did, or of what could not be learned.

A target is one of:
  url_file  a file with a URL of shoutrrr, in a line of its own, such as
              telegram://TOKEN@telegram?chats=ID
              smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS
              ntfy://ntfy.sh/TOPIC, slack://..., generic://HOST/PATH?template=json
            read at each message. It must belong to root or the monitor's user, and
            be readable by nobody else (0600; root's may be 0640).
  url_env   a variable with such a URL, as in /etc/default/fcgisup-monitor.
  exec      a program, run without a shell for at most 30 s. It gets the message as
            JSON on standard input (id, event: down, still_down, up or test, host,
            at, title, text, apps) and in FCGISUP_ID, FCGISUP_EVENT, FCGISUP_HOST,
            FCGISUP_APPS, FCGISUP_TITLE and FCGISUP_TEXT. Exit code 0: delivered.

What is not delivered is tried again for a day, and survives the monitor's death.
If that comes just between a delivery and its being noted, a message comes twice,
with the same id.`,
		Example: "  fcgisup alert test",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	cmd.AddCommand(c.alertTestCommand(), c.alertSendCommand())
	return cmd
}

// alertSendCommand is the process that each message through a notification
// service gets: what to send comes on standard input, since it holds a secret.
func (c *cli) alertSendCommand() *cobra.Command {
	return &cobra.Command{
		Use:    watch.SendCommand,
		Short:  "Send one message, for the monitor",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			if code := alert.Speak(c.In, c.Out); code != term.ExitDone {
				return term.Exit(code)
			}
			return nil
		},
	}
}

func (c *cli) alertTestCommand() *cobra.Command {
	var target string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Send a test message to every target",
		Long: `test sends a message to every target under alerts.to and prints a line for each:
ok, or why not. It waits for all, at most half a minute. Exit code 1: one failed.

It runs as you, with your environment: a variable that url_env names must be
set here as well, and what the service's sandbox forbids is not forbidden.`,
		Example: `  fcgisup alert test
  fcgisup alert test --target telegram`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return watch.TestAlerts(cmd.Context(), c.Env, target)
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "only the target with this `NAME`")
	_ = cmd.RegisterFlagCompletionFunc("target", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.targetNames(), cobra.ShellCompDirectiveNoFileComp
	}) // fails for a missing flag only
	return cmd
}

func (c *cli) targetNames() []cobra.Completion {
	cfg, err := c.Load()
	if err != nil {
		return nil
	}
	var names []cobra.Completion
	for _, t := range cfg.Alerts.To {
		names = append(names, described(t.Name, t.Kind()))
	}
	return names
}
