package deploy

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

// Looked is what apply has looked at before it changes anything.
type Looked struct {
	// Cfg is the configuration; remove has none.
	Cfg   *fcgisup.Config
	Plans []Plan
	// Nginx is true if it is on this host.
	Nginx   bool
	Systemd *units.Systemd
}

// approve looks before anything is changed.
func (t *transaction) approve(ctx context.Context) error {
	if t.Preflight == nil {
		return nil
	}
	found, err := t.Preflight(ctx, Looked{Cfg: t.cfg, Plans: t.looked, Nginx: t.web.binary != "", Systemd: t.systemd})
	if err != nil {
		return fmt.Errorf("cannot %s: %w", t.What, err)
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
	return term.Hinted(fmt.Errorf("cannot %s: %s found, nothing has been changed: %s", t.What, term.Plural(len(names), "error"), strings.Join(slices.Compact(names), ", ")),
		"correct that, or go on in spite of it with --force")
}
