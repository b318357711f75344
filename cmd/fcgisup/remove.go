package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/accepted"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

func (c *cli) removeCommand() *cobra.Command {
	a := &applier{Env: c.Env}
	cmd := &cobra.Command{
		Use:   "remove APP",
		Short: "Take an app off this host: the way back from apply",
		Long: `remove stops and disables an app's units and removes the files that apply wrote
for it. nginx goes first: its files of the app are removed and the rest tested,
and if something else in its configuration still needs them all is put back.
The configuration of fcgisup and the administrator's drop-ins stay; as long as
the configuration has the app, the next apply brings it back.`,
		Example: "  fcgisup remove rt --dry-run\n  fcgisup remove rt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fcgisup.CheckName(args[0]); err != nil {
				return term.Usage(fmt.Errorf("the app's name %w", err))
			}
			a.what = "remove " + args[0]
			err := a.run(cmd.Context(), func(ctx context.Context) ([]plan, error) { return a.removal(ctx, args[0]) })
			if err != nil || a.dryRun {
				return err
			}
			records, err := readRecords(recordRoot)
			if err != nil {
				return err
			}
			return errors.Join(accepted.ByRoot.Forget(configsOf(records)), os.RemoveAll(units.StatePath(args[0])))
		},
	}
	a.define(cmd.Flags())
	return cmd
}

// removal plans the end of an app, whether the configuration still has it or not.
func (a *applier) removal(ctx context.Context, name string) ([]plan, error) {
	r, err := readRecord(recordRoot, name)
	if err != nil {
		return nil, fmt.Errorf("cannot %s: %w", a.what, err)
	}
	changes, err := removals(name)
	if err != nil {
		return nil, fmt.Errorf("cannot %s: %w", a.what, err)
	}
	if r == nil && len(changes) == 0 {
		return nil, term.Hinted(fmt.Errorf("cannot %s: there is no such app on this host", a.what), "fcgisup status shows what runs")
	}
	// Without a configuration that has the app, the record alone tells what is ours.
	if cfg, err := a.Load(); err == nil {
		if app, ok := cfg.App(name); ok {
			recognize(app, changes)
		}
	}
	return a.planAll(ctx, []wanted{{name: name, changes: changes}}, map[string]*record{name: r})
}

// removals are all files of an app, nginx's first, as changes that remove them.
func removals(app string) ([]change, error) {
	names := []string{"nginx/" + app + "-location.conf", "nginx/" + app + "-upstream.conf"}
	entries, err := os.ReadDir(filepath.Dir(installed("systemd/any")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot look for units: %w", err)
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), app+"-fastcgi")
		if !ok {
			continue
		}
		switch {
		case rest == ".target", rest == "-fleet.target", rest == "@.service", rest == "@.socket":
			names = append(names, "systemd/"+e.Name())
		case strings.HasPrefix(rest, "@") && strings.HasSuffix(rest, ".socket.d"):
			names = append(names, "systemd/"+e.Name()+"/listen.conf")
		}
	}
	var changes []change
	for _, name := range names {
		place := installed(name)
		data, err := os.ReadFile(place)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for files of %s: %w", app, err)
		}
		changes = append(changes, change{place: place, name: name, verb: "removed", old: data})
	}
	return changes, nil
}
