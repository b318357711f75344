package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
)

// SendCommand is the name of the command that sends one message.
const SendCommand = "send"

// courier delivers by way of this very program, also after an upgrade has replaced its file.
func courier() alert.Sender {
	return alert.Sender{Self: []string{"/proc/self/exe", "alert", SendCommand}, Environ: os.Environ()}
}

// newAlerter tells the receivers of the configuration, if it could be read, what the monitor reports.
func newAlerter(alerts fcgisup.Alerts, unread bool, dir string, log *slog.Logger) (*alert.Alerter, error) {
	return alert.New(alert.Options{Alerts: alerts, NoConfig: unread, Dir: dir, Log: log, Deliver: courier().Deliver})
}

// TestAlerts sends a test to every receiver, or to the one with a name.
func TestAlerts(ctx context.Context, c *term.Env, name string) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	receivers, err := chosenReceivers(cfg, name)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	n := alert.TestMessage(host, time.Now())
	// All at once, since one that hangs would hold up the others; told in the order of the file.
	results := make([]chan error, len(receivers))
	by := courier()
	for i, t := range receivers {
		results[i] = make(chan error, 1)
		go func() { results[i] <- by.Deliver(ctx, cfg.Alerts.To, t, n) }()
	}
	failed := 0
	waiting := c.Progress("waiting for %s", term.Plural(len(receivers), "receiver"))
	lines := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	for i, t := range receivers {
		verdict := "ok"
		if err := <-results[i]; err != nil {
			verdict = "failed: " + err.Error()
			failed++
		}
		fmt.Fprintf(lines, "%s\t%s\n", t.Name, verdict)
	}
	waiting.Done()
	if err := lines.Flush(); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", err)
	}
	if failed > 0 {
		return term.Exit(term.ExitFail)
	}
	return nil
}

func chosenReceivers(cfg *fcgisup.Config, name string) ([]fcgisup.Receiver, error) {
	if len(cfg.Alerts.To) == 0 {
		return nil, term.Hinted(errors.New("cannot send a test: the configuration has no receivers under alerts.to"), "fcgisup init shows how they are written")
	}
	if name == "" {
		return cfg.Alerts.To, nil
	}
	var known []string
	for _, t := range cfg.Alerts.To {
		if t.Name == name {
			return []fcgisup.Receiver{t}, nil
		}
		known = append(known, t.Name)
	}
	return nil, term.Usage(fmt.Errorf("no receiver is called %q; there are %s", name, strings.Join(known, ", ")))
}
