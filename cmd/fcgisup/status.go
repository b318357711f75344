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

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// watchEvery is the pace of --watch.
const watchEvery = time.Second

// statuser is one "fcgisup status".
type statuser struct {
	*term.Env
	control string
	json    bool
	which   control.Selection
	// show prints the page.
	show func(w io.Writer, all []control.Status, now time.Time, screen term.Screen) error
}

// newStatuser shows a line per instance.
func newStatuser(env *term.Env) *statuser { return &statuser{Env: env, show: table} }

// newTop shows a line per worker.
func newTop(env *term.Env) *statuser { return &statuser{Env: env, show: workerTable} }

// choose selects APP or APP@N.
func (s *statuser) choose(which string) (err error) {
	if s.which, err = control.ParseSelection(which); err != nil {
		return term.Usage(err)
	}
	return nil
}

// once shows it once.
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
	paths, err := peer.ControlPaths(s.control)
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

// watching shows it again and again until interrupted.
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
