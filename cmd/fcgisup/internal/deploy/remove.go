package deploy

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

// Remove takes an app off this host, with what is kept about it.
func (a *Applier) Remove(ctx context.Context, name string) error {
	err := a.run(ctx, func(ctx context.Context) ([]Plan, error) { return a.removal(ctx, name) })
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
func (a *Applier) removal(ctx context.Context, name string) ([]Plan, error) {
	r, err := readRecord(recordRoot, name)
	if err != nil {
		return nil, fmt.Errorf("cannot %s: %w", a.What, err)
	}
	changes, err := removals(name)
	if err != nil {
		return nil, fmt.Errorf("cannot %s: %w", a.What, err)
	}
	if r == nil && len(changes) == 0 {
		return nil, term.Hinted(fmt.Errorf("cannot %s: there is no such app on this host", a.What), "fcgisup status shows what runs")
	}
	// Without a configuration that has the app, the record alone tells what is ours.
	if cfg, err := a.Load(); err == nil {
		if app, ok := cfg.App(name); ok {
			recognize(app, changes)
		}
	}
	return a.planAll(ctx, []wanted{{Name: name, Changes: changes}}, map[string]*record{name: r})
}

// removals are all files of an app, nginx's first, as changes that remove them.
func removals(app string) ([]Change, error) {
	names := []string{"nginx/" + app + "-location.conf", "nginx/" + app + "-upstream.conf"}
	entries, err := os.ReadDir(filepath.Dir(Installed("systemd/any")))
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
	var changes []Change
	for _, name := range names {
		place := Installed(name)
		data, err := os.ReadFile(place)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for files of %s: %w", app, err)
		}
		changes = append(changes, Change{Place: place, Name: name, Verb: "removed", Old: data})
	}
	return changes, nil
}
