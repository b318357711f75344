package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
)

func (c *cli) alertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "alert",
		Short:   "Try the alerts of the monitor",
		Long:    "alert has one command: test.",
		Example: "  fcgisup alert test",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	cmd.AddCommand(c.alertTestCommand(), c.alertSendCommand())
	return cmd
}

// alertSend is the name of the command that sends one message.
const alertSend = "send"

// alertSendCommand is the process that each message through a notification
// service gets: what to send comes on standard input, since it holds a secret.
func (c *cli) alertSendCommand() *cobra.Command {
	return &cobra.Command{
		Use:    alertSend,
		Short:  "Send one message, for the monitor",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			if code := alert.Speak(c.in, c.out); code != exitDone {
				return exit(code)
			}
			return nil
		},
	}
}

// courier delivers by way of this very program, also after an upgrade has replaced its file.
func courier() alert.Courier {
	return alert.Courier{Self: []string{"/proc/self/exe", "alert", alertSend}, Environ: os.Environ()}
}

// newAlerter tells the targets of the configuration what the monitor reports.
func newAlerter(alerts fcgisup.Alerts, dir string, log *slog.Logger) (*alert.Alerter, error) {
	return alert.New(alert.Options{Alerts: alerts, Dir: dir, Log: log, Deliver: courier().Deliver})
}
