package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) restartCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "restart APP[@N]",
		Short: "Replace the workers, each once its replacement is ready",
		Long: `restart replaces the workers of an app, or of one instance, one by one: the
replacement comes first, and a worker that serves a request is not disturbed. It
stops at the first instance whose replacement does not come up; that one goes on
with what it had. Instances that sleep have nothing to restart.`,
		Example: "  fcgisup restart rt\n  fcgisup restart rt@3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.each(cmd.Context(), path, args[0], restartTarget, "restarted")
		},
	}
	cmd.Flags().StringVar(&path, "control", "", "`PATH` of one control socket")
	return cmd
}

func (c *cli) reloadCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "reload APP",
		Short: "Apply the configuration to what runs",
		Long: `reload has the app's supervisors read their configuration again. Workers are
replaced, as by restart, only if what they are started with has changed. An
invalid file changes nothing.`,
		Example: "  fcgisup reload rt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.each(cmd.Context(), path, args[0], reloadTarget, "reloaded")
		},
	}
	cmd.Flags().StringVar(&path, "control", "", "`PATH` of one control socket")
	return cmd
}

// each posts to the supervisors of the selected instances, one after the other:
// a restart for each instance, a reload once for each supervisor.
func (c *cli) each(ctx context.Context, path, arg, target, done string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	which, err := parseSelection(arg)
	if err != nil {
		return usage(err)
	}
	paths, err := controlPaths(path)
	if err != nil {
		return err
	}
	found := false
	for _, p := range inOrder(paths) {
		all, err := fetchStatus(ctx, p)
		if err != nil {
			return err
		}
		for _, st := range all {
			if !which.has(st) {
				continue
			}
			found = true
			if err := c.post(ctx, p, target, selection{st.App, st.Instance}, done); err != nil {
				return err
			}
			if target == reloadTarget {
				break
			}
		}
	}
	if !found {
		return hinted(fmt.Errorf("no supervisor here runs %s", which), "fcgisup status shows what runs; instances that sleep have nothing to restart")
	}
	return nil
}

// Targets of the control socket.
const (
	restartTarget = "/restart"
	reloadTarget  = "/reload"
)

func (c *cli) post(ctx context.Context, path, target string, in selection, done string) error {
	url := target
	if target == restartTarget {
		url += "?instance=" + strconv.Itoa(in.instance)
	}
	var answer struct{ Note string }
	if err := control(ctx, path, http.MethodPost, url, &answer); ctx.Err() != nil {
		return hinted(fmt.Errorf("interrupted: the supervisor of %s goes on with what it has begun", in), fmt.Sprintf("fcgisup status %s shows how it ends", in.app))
	} else if err != nil {
		return hinted(fmt.Errorf("cannot finish at %s: %w", in, err), fmt.Sprintf("fcgisup status %s --json shows its last lines", in))
	}
	fmt.Fprintf(c.out, "%s %s\n", in, done)
	if answer.Note != "" {
		fmt.Fprintf(c.err, "fcgisup: %s\n", answer.Note)
	}
	return nil
}

// inOrder sorts .../rt-10/... behind .../rt-9/....
func inOrder(paths []string) []string {
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	return paths
}
