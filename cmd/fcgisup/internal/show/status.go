package show

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

// View is one "fcgisup status".
type View struct {
	*term.Env
	Control string
	JSON    bool
	which   control.Selection
	// show prints the page.
	show func(w io.Writer, all []control.Status, now time.Time, screen term.Screen) error
}

// Status shows a line per instance.
func Status(env *term.Env) *View { return &View{Env: env, show: Table} }

// Top shows a line per worker.
func Top(env *term.Env) *View { return &View{Env: env, show: workerTable} }

// Choose selects APP or APP@N.
func (s *View) Choose(which string) (err error) {
	if s.which, err = control.ParseSelection(which); err != nil {
		return term.Usage(err)
	}
	return nil
}

// Once shows it once.
func (s *View) Once(ctx context.Context) error {
	all, err := s.fetch(ctx)
	if all == nil {
		return err
	}
	if s.JSON {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(all))
	}
	return errors.Join(err, s.show(s.Out, all, time.Now(), s.Screen()))
}

// fetch asks all supervisors at once. Those that answered are returned beside the errors of the others.
func (s *View) fetch(ctx context.Context) ([]control.Status, error) {
	sleepers := s.asleep(control.Root)
	if len(sleepers) > 0 {
		if systemd, err := units.Connect(ctx); err == nil {
			startup.FindFailing(ctx, systemd, sleepers)
			systemd.Close()
		}
	}
	paths, err := peer.ControlPaths(s.Control)
	if err != nil && len(sleepers) == 0 {
		if s.which.App != "" {
			err = s.noneSelected()
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
		err = s.noneSelected()
	}
	return all, err
}

// Watch shows it again and again until interrupted.
func (s *View) Watch(ctx context.Context) error {
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
		if s.JSON {
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
func (s *View) clear() {
	if s.Terminal() {
		fmt.Fprint(s.Out, "\x1b[H\x1b[2J")
	}
}
