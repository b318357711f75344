package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// preflightRules are doctor's about what apps need, which hold before anything
// of theirs is on the host.
func preflightRules() []func(*facts) []finding {
	return []func(*facts) []finding{
		findWarned, findCommands, findSandbox, findUnreadable, findAccounts, findDependencies, findWebUser, findNotIncluded, findBacklogs,
	}
}

// preflight looks for what will keep the apps of the plans from working.
func (t *transaction) preflight(ctx context.Context) ([]finding, error) {
	f, err := t.preflightFacts(ctx)
	if err != nil || len(f.apps) == 0 {
		return nil, err
	}
	found := examineBy(f, preflightRules())
	for i := range found {
		if found[i].ID == "dependency-failed" {
			found[i].Severity = isWarning // it may be what this apply comes to fix
		}
	}
	return found, nil
}

func (t *transaction) preflightFacts(ctx context.Context) (*facts, error) {
	if t.cfg == nil {
		return &facts{}, nil
	}
	f := &facts{config: t.cfg.Path, own: ownAddresses()}
	f.warned(t.cfg, func(app string) bool {
		return slices.ContainsFunc(t.looked, func(p plan) bool { return p.name == app })
	})
	for _, p := range t.looked {
		if p.app == nil {
			continue
		}
		a := appFacts{App: *p.app, changes: p.changes}
		a.gather()
		f.gatherReadable(&a, cmp.Or(p.config, fcgisup.SystemConfig))
		f.apps = append(f.apps, a)
	}
	if len(f.apps) == 0 {
		return f, nil
	}
	f.gatherSomaxconn()
	if t.web.binary != "" {
		if err := f.gatherNginx(ctx); err != nil {
			return nil, err
		}
		f.gatherAccess()
		f.web.access = nil // what counts is how the sockets will be
	}
	return f, f.gatherNamed(ctx, t.systemd)
}

// approve looks before anything is changed.
func (t *transaction) approve(ctx context.Context) error {
	found, err := t.preflight(ctx)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", t.what, err)
	}
	return t.judge(found)
}

// judge prints what preflight has found. Errors stop apply unless it is forced.
func (t *transaction) judge(found []finding) error {
	var names []string
	for _, f := range found {
		if f.Severity == isNote {
			continue
		}
		f.printShort(t.Err)
		if f.Severity == isError {
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
