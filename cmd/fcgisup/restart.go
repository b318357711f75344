package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/accepted"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func (c *cli) restartCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "restart APP[@N]",
		Short: "Replace the workers of an app without losing requests",
		Long: `restart replaces the workers of an app, or of one instance, one after the other.
A worker is stopped when its replacement is ready and it serves no request, or
at the latest after limits.stop_timeout. Sleeping instances have no workers.

restart stops at the first instance whose replacement does not become ready;
that instance keeps its workers. If a supervisor cannot be reached, the others
are restarted, and the exit code is 1.`,
		Example: "  fcgisup restart rt\n  fcgisup restart rt@3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.each(cmd.Context(), path, args[0], control.RestartTarget, "restarted")
		},
	}
	cmd.Flags().StringVar(&path, "control", "", "`PATH` of one control socket (default all of the app)")
	return cmd
}

func (c *cli) reloadCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "reload APP",
		Short: "Apply changed worker settings to a running app",
		Long: `reload makes the supervisors of an app read the configuration again. Workers are
replaced, as by restart, only if a setting that they start with has changed. An
invalid configuration changes nothing, and the exit code is 1. Changed sockets,
instances and units need fcgisup apply.`,
		Example: "  fcgisup reload rt\n  fcgisup reload rt --control /run/fcgisup/rt-1/control.sock",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.each(cmd.Context(), path, args[0], control.ReloadTarget, "reloaded")
		},
	}
	cmd.Flags().StringVar(&path, "control", "", "`PATH` of one control socket (default all of the app)")
	return cmd
}

// each posts to the supervisors of the selected instances, one after the other:
// a restart for each instance, a reload once for each supervisor. One that cannot
// be reached, or answers nonsense, is reported and left out.
func (c *cli) each(ctx context.Context, path, arg, target, done string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	which, err := control.ParseSelection(arg)
	if err != nil {
		return term.Usage(err)
	}
	apps := c.configured()
	paths, err := peer.ControlPaths(path)
	if err != nil {
		return notRunning(which, target, apps)
	}
	app := control.AppNamed(apps, which.App)
	if path == "" {
		paths = slices.DeleteFunc(paths, func(p string) bool { return !which.MayBe(filepath.Base(filepath.Dir(p))) })
	}
	var left []error
	found := false
	for _, p := range inOrder(paths) {
		all, err := c.statusOfApp(ctx, apps, p, app)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			left = append(left, err)
			continue
		}
		for _, st := range all {
			if !which.Has(st) {
				continue
			}
			found = true
			if err := c.post(ctx, p, target, control.Selection{App: st.App, Instance: st.Instance}, done, control.RollTimeout(app)); err != nil {
				return c.besides(left, err)
			}
			if target == control.ReloadTarget {
				break
			}
		}
	}
	if len(left) > 0 {
		return c.besides(left[1:], left[0])
	}
	if found && target == control.ReloadTarget {
		if cfg, err := c.Load(); err == nil && accepted.ByRoot.Applied(cfg.Path) {
			accepted.Keep(c.Env, cfg)
		}
	}
	if !found {
		return notRunning(which, target, apps)
	}
	return nil
}

// notRunning is the error of a selection without a supervisor: an app that sleeps, or none.
func notRunning(which control.Selection, target string, apps []fcgisup.App) error {
	err := fmt.Errorf("no supervisor on this host runs %s", which)
	app := control.AppNamed(apps, which.App)
	switch {
	case app == nil && len(apps) > 0:
		return term.Hinted(fmt.Errorf("%w, and the configuration has no such app", err), cmp.Or(term.DidYouMean(which.App, term.AppNames(apps)), "fcgisup status shows the instances of this host"))
	case app != nil && which.Instance > app.Instances:
		return term.Hinted(fmt.Errorf("there is no instance %s: the configuration has %s", which, term.Plural(app.Instances, "instance")), "fcgisup status "+which.App+" shows them")
	case target == control.ReloadTarget:
		return term.Hinted(err, "a sleeping app needs no reload, since its next start reads the configuration; fcgisup apply starts an app that is not installed")
	default:
		return term.Hinted(err, "a sleeping app has no workers to restart; fcgisup status shows the instances of this host")
	}
}

// besides reports errors, and returns the last one.
func (c *cli) besides(others []error, err error) error {
	for _, other := range others {
		c.Report(other)
	}
	return err
}

// configured are the apps of the configuration, nil if there is none to be had.
func (c *cli) configured() []fcgisup.App {
	path, _, err := fcgisup.Find(c.Config, c.Getenv)
	if err != nil {
		return nil
	}
	cfg, err := fcgisup.Load(path, c.Variables())
	if err != nil {
		return nil
	}
	here := term.ThisHost()
	return slices.DeleteFunc(cfg.Apps, func(a fcgisup.App) bool { return !a.RunsOn(here) })
}

// statusOfApp asks a supervisor that may be the app's: where root made its
// directory, that one and the socket are root's or the app's user's.
func (c *cli) statusOfApp(ctx context.Context, apps []fcgisup.App, path string, app *fcgisup.App) ([]control.Status, error) {
	if app != nil && filepath.Dir(filepath.Dir(path)) == control.Root {
		if err := control.OwnedByApp(filepath.Dir(path), *app); err != nil {
			return nil, fmt.Errorf("cannot ask the supervisor at %s: %w", path, err)
		}
	}
	return control.Fetch(ctx, apps, path)
}

func (c *cli) post(ctx context.Context, path, target string, in control.Selection, done string, limit time.Duration) error {
	url := target
	if target == control.RestartTarget {
		url += "?instance=" + strconv.Itoa(in.Instance)
	}
	var answer struct{ Note string }
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	waiting := c.Progress("waiting until %s is %s", in, done)
	err := control.Ask(within, path, http.MethodPost, url, &answer)
	waiting.Done()
	if ctx.Err() != nil {
		return term.Hinted(fmt.Errorf("interrupted; the supervisor of %s continues", in), fmt.Sprintf("fcgisup status %s shows the result", in.App))
	}
	if err != nil {
		return c.refused(target, in, err)
	}
	fmt.Fprintf(c.Out, "%s %s\n", in, done)
	if answer.Note != "" {
		fmt.Fprintf(c.Err, "fcgisup: %s\n", fcgisup.PrintableAtMost(answer.Note, control.MaxConfigError))
	}
	return nil
}

// refused is the error of a supervisor that could not be asked, or could not do it.
func (c *cli) refused(target string, in control.Selection, err error) error {
	var unreachable *control.UnreachableError
	cause := strings.TrimPrefix(err.Error(), in.String()+": ")
	switch {
	case errors.As(err, &unreachable):
		return err
	case target == control.ReloadTarget:
		return term.Hinted(fmt.Errorf("cannot reload %s: %s", in.App, cause), "fcgisup validate shows errors of the configuration, fcgisup status "+in.App+" those of its workers")
	default:
		return term.Hinted(fmt.Errorf("cannot restart %s: %s", in, cause), fmt.Sprintf("fcgisup status %s --json shows what its workers printed last", in))
	}
}

// inOrder sorts .../rt-10/... behind .../rt-9/....
func inOrder(paths []string) []string {
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	return paths
}
