package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
)

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
			return c.tryAlerts(cmd.Context(), target)
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

func (c *cli) tryAlerts(ctx context.Context, name string) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	targets, err := chosenTargets(cfg, name)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	n := alert.TestMessage(host, time.Now())
	// All at once, since one that hangs would hold up the others; told in the order of the file.
	results := make([]chan error, len(targets))
	by := courier()
	for i, t := range targets {
		results[i] = make(chan error, 1)
		go func() { results[i] <- by.Deliver(ctx, cfg.Alerts.To, t, n) }()
	}
	failed := 0
	lines := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	for i, t := range targets {
		verdict := "ok"
		if err := <-results[i]; err != nil {
			verdict = "failed: " + err.Error()
			failed++
		}
		fmt.Fprintf(lines, "%s\t%s\n", t.Name, verdict)
	}
	if err := lines.Flush(); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", err)
	}
	if failed > 0 {
		return term.Exit(term.ExitFail)
	}
	return nil
}

func chosenTargets(cfg *fcgisup.Config, name string) ([]fcgisup.Target, error) {
	if len(cfg.Alerts.To) == 0 {
		return nil, term.Hinted(errors.New("cannot send a test: the configuration has no targets under alerts.to"), "fcgisup init shows how they are written")
	}
	if name == "" {
		return cfg.Alerts.To, nil
	}
	var known []string
	for _, t := range cfg.Alerts.To {
		if t.Name == name {
			return []fcgisup.Target{t}, nil
		}
		known = append(known, t.Name)
	}
	return nil, term.Usage(fmt.Errorf("no target is called %q; there are %s", name, strings.Join(known, ", ")))
}
