package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// looked is what apply has looked at before it changes anything.
type looked struct {
	// cfg is the configuration; remove has none.
	cfg   *fcgisup.Config
	plans []plan
	// nginx is true if it is on this host.
	nginx   bool
	systemd *units.Systemd
}

// approve looks before anything is changed.
func (t *transaction) approve(ctx context.Context) error {
	if t.preflight == nil {
		return nil
	}
	found, err := t.preflight(ctx, looked{cfg: t.cfg, plans: t.looked, nginx: t.web.binary != "", systemd: t.systemd})
	if err != nil {
		return fmt.Errorf("cannot %s: %w", t.what, err)
	}
	return t.judge(found)
}

// judge prints what preflight has found. Errors stop apply unless it is forced.
func (t *transaction) judge(found []finding.Finding) error {
	var names []string
	for _, f := range found {
		if f.Severity == finding.Note {
			continue
		}
		f.PrintShort(t.Err)
		if f.Severity == finding.Error {
			names = append(names, f.Subject)
		}
	}
	if len(names) == 0 || t.force || t.dryRun {
		return nil
	}
	slices.Sort(names)
	return term.Hinted(fmt.Errorf("cannot %s: %s found, nothing has been changed: %s", t.what, term.Plural(len(names), "error"), strings.Join(slices.Compact(names), ", ")),
		"correct that, or go on in spite of it with --force")
}
