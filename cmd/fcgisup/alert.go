package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
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
			if code := alert.Speak(c.In, c.Out); code != term.ExitDone {
				return term.Exit(code)
			}
			return nil
		},
	}
}

// courier delivers by way of this very program, also after an upgrade has replaced its file.
func courier() alert.Courier {
	return alert.Courier{Self: []string{"/proc/self/exe", "alert", alertSend}, Environ: os.Environ()}
}

// newAlerter tells the targets of the configuration, if it could be read, what the monitor reports.
func newAlerter(alerts fcgisup.Alerts, unread bool, dir string, log *slog.Logger) (*alert.Alerter, error) {
	return alert.New(alert.Options{Alerts: alerts, Unread: unread, Dir: dir, Log: log, Deliver: courier().Deliver})
}
