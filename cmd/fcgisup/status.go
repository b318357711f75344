package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// watchEvery is the pace of --watch.
const watchEvery = time.Second

// statuser is one "fcgisup status".
type statuser struct {
	*cli
	control string
	json    bool
	watch   bool
	which   control.Selection
	// show prints the page.
	show func(w io.Writer, all []control.Status, now time.Time, screen term.Screen) error
}

func (c *cli) statusCommand() *cobra.Command {
	s := &statuser{cli: c, show: table}
	cmd := &cobra.Command{
		Use:   "status [APP[@N]]",
		Short: "Show how the instances are",
		Long: `status asks every supervisor on this host, found by its control socket under
` + control.Root + `, or the one at --control, and shows a line per instance. Configured instances whose
socket is there, and no supervisor, sleep until their first request.`,
		Example: `  fcgisup status
  fcgisup status rt --watch
  fcgisup status rt@3 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				var err error
				if s.which, err = control.ParseSelection(args[0]); err != nil {
					return term.Usage(err)
				}
			}
			if s.watch {
				return s.watching(cmd.Context())
			}
			return s.once(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&s.control, "control", "", "`PATH` of one control socket")
	cmd.Flags().BoolVar(&s.json, "json", false, "print a JSON array")
	cmd.Flags().BoolVar(&s.watch, "watch", false, "show it anew every second until interrupted")
	return cmd
}

func (s *statuser) once(ctx context.Context) error {
	all, err := s.fetch(ctx)
	if all == nil {
		return err
	}
	if s.json {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(all))
	}
	return errors.Join(err, s.show(s.Out, all, time.Now(), s.Screen()))
}

// fetch asks all supervisors at once. Those that answered are returned beside the errors of the others.
func (s *statuser) fetch(ctx context.Context) ([]control.Status, error) {
	sleepers := s.asleep(control.Root)
	if len(sleepers) > 0 {
		if systemd, err := units.Connect(ctx); err == nil {
			startup.FindFailing(ctx, systemd, sleepers)
			systemd.Close()
		}
	}
	paths, err := controlPaths(s.control)
	if err != nil && len(sleepers) == 0 {
		if s.which.App != "" {
			err = s.nobody()
		}
		return nil, err
	}
	answers, failures := control.FetchAll(ctx, s.ConfiguredApps(), paths)
	all := sleepers
	for _, st := range slices.Concat(answers...) {
		if s.which.Has(st) {
			all = append(all, st)
		}
	}
	slices.SortFunc(all, func(a, b control.Status) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Instance, b.Instance))
	})
	err = errors.Join(failures...)
	if len(all) == 0 && err == nil {
		err = s.nobody()
	}
	return all, err
}

func (s *statuser) watching(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, unix.SIGTERM)
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		var page strings.Builder
		all, err := s.fetch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if s.json {
			if err := json.NewEncoder(s.Out).Encode(all); err != nil {
				return err
			}
		} else {
			fmt.Fprintf(&page, "%s; ^C ends\n\n", time.Now().Format(time.TimeOnly))
			if err != nil {
				fmt.Fprintln(&page, err)
			}
			if err := s.show(&page, all, time.Now(), s.Screen()); err != nil {
				return err
			}
			s.clear()
			if _, err := io.WriteString(s.Out, page.String()); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// clear empties a terminal; a file gets page after page.
func (s *statuser) clear() {
	if s.Terminal() {
		fmt.Fprint(s.Out, "\x1b[H\x1b[2J")
	}
}
