package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/accepted"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// remove takes an app off this host, with what is kept about it.
func (a *applier) remove(ctx context.Context, name string) error {
	err := a.run(ctx, func(ctx context.Context) ([]plan, error) { return a.removal(ctx, name) })
	if err != nil || a.dryRun {
		return err
	}
	records, err := readRecords(recordRoot)
	if err != nil {
		return err
	}
	return errors.Join(accepted.ByRoot.Forget(configsOf(records)), os.RemoveAll(units.StatePath(name)))
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
