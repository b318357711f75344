package doctor

import (
	"cmp"
	"context"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
)

// Preflight looks for what will keep the apps of the plans from working.
func Preflight(ctx context.Context, l deploy.Looked) ([]finding.Finding, error) {
	f, err := preflightFacts(ctx, l)
	if err != nil || len(f.apps) == 0 {
		return nil, err
	}
	found := examine(f, true)
	for i := range found {
		if found[i].ID == "dependency-failed" {
			found[i].Severity = finding.Warning // it may be what this apply comes to fix
		}
	}
	return found, nil
}

func preflightFacts(ctx context.Context, l deploy.Looked) (*facts, error) {
	if l.Cfg == nil {
		return &facts{}, nil
	}
	f := &facts{config: l.Cfg.Path, own: peer.OwnAddresses()}
	f.warned(l.Cfg, func(app string) bool {
		return slices.ContainsFunc(l.Plans, func(p deploy.Plan) bool { return p.Name == app })
	})
	for _, p := range l.Plans {
		if p.App == nil {
			continue
		}
		a := appFacts{App: *p.App, changes: p.Changes}
		a.gather()
		f.gatherReadable(&a, cmp.Or(p.Config, fcgisup.SystemConfig))
		f.apps = append(f.apps, a)
	}
	if len(f.apps) == 0 {
		return f, nil
	}
	f.gatherSomaxconn()
	if l.Nginx {
		if err := f.gatherNginx(ctx); err != nil {
			return nil, err
		}
		f.gatherAccess()
		f.web.access = nil // what counts is how the sockets will be
	}
	return f, f.gatherNamed(ctx, l.Systemd)
}
