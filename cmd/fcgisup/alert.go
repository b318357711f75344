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
		Short: "Describe and test the alerts of the monitor",
		Long: `The monitor sends a message to each receiver under alerts.to when an app is down
for longer than alerts.for, again every alerts.repeat, and when it is up again.
No alert is sent for shorter outages, operator actions, or unknown states.

A receiver is one of:
  url_file  a file with a URL of shoutrrr: telegram://TOKEN@telegram?chats=ID,
            smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS, ntfy://...,
            slack://..., generic://HOST/PATH?template=json. It belongs to root
            or the monitor's user; no other user can read it (mode 0600).
  url_env   an environment variable with such a URL, as in
            /etc/default/fcgisup-monitor
  exec      a program; it gets the message as JSON on standard input

Undelivered messages are sent again for a day, also by a restarted monitor.`,
		Example: `  fcgisup alert test
  fcgisup alert test --receiver telegram`,
		Args: cobra.NoArgs,
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
			if code := alert.SendOne(c.In, c.Out); code != term.ExitDone {
				return term.Exit(code)
			}
			return nil
		},
	}
}

func (c *cli) alertTestCommand() *cobra.Command {
	var receiver string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Send a test message to every receiver",
		Long: `test sends a message to every receiver under alerts.to and prints the result of
each, after 30 seconds at most. Exit code 1: a receiver failed.

It runs as the calling user, with that user's environment: a variable under
url_env must be set here as well, and the sandbox of the service does not apply.`,
		Example: `  fcgisup alert test
  fcgisup alert test --receiver telegram`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return watch.TestAlerts(cmd.Context(), c.Env, receiver)
		},
	}
	cmd.Flags().StringVar(&receiver, "receiver", "", "`NAME` of one receiver (default all)")
	_ = cmd.RegisterFlagCompletionFunc("receiver", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.receiverNames(), cobra.ShellCompDirectiveNoFileComp
	}) // fails for a missing flag only
	return cmd
}

func (c *cli) receiverNames() []cobra.Completion {
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
