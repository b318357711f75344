package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
)

// preflightRules are doctor's about what apps need, which hold before anything
// of theirs is on the host.
func preflightRules() []func(*facts) []finding.Finding {
	return []func(*facts) []finding.Finding{
		findWarned, findCommands, findSandbox, findUnreadable, findAccounts, findDependencies, findWebUser, findNotIncluded, findBacklogs,
	}
}

// preflight looks for what will keep the apps of the plans from working.
func preflight(ctx context.Context, l looked) ([]finding.Finding, error) {
	f, err := preflightFacts(ctx, l)
	if err != nil || len(f.apps) == 0 {
		return nil, err
	}
	found := examineBy(f, preflightRules())
	for i := range found {
		if found[i].ID == "dependency-failed" {
			found[i].Severity = finding.Warning // it may be what this apply comes to fix
		}
	}
	return found, nil
}

func preflightFacts(ctx context.Context, l looked) (*facts, error) {
	if l.cfg == nil {
		return &facts{}, nil
	}
	f := &facts{config: l.cfg.Path, own: ownAddresses()}
	f.warned(l.cfg, func(app string) bool {
		return slices.ContainsFunc(l.plans, func(p plan) bool { return p.name == app })
	})
	for _, p := range l.plans {
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
	if l.nginx {
		if err := f.gatherNginx(ctx); err != nil {
			return nil, err
		}
		f.gatherAccess()
		f.web.access = nil // what counts is how the sockets will be
	}
	return f, f.gatherNamed(ctx, l.systemd)
}
