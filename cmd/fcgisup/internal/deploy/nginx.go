package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/nginx"
)

// NginxService is nginx's unit in every distribution.
const NginxService = "nginx.service"

// webServer is nginx as it is on this host.
type webServer struct {
	// binary is empty where nginx is not installed.
	binary string
	// unit tells that systemd runs it; otherwise another manager may.
	unit    bool
	masters []int
}

func (w webServer) running() bool { return len(w.masters) > 0 }

func (a *Applier) findNginx(ctx context.Context) (webServer, error) {
	binary, ok := nginx.Binary()
	if !ok {
		return webServer{}, nil
	}
	w := webServer{binary: binary}
	states, err := a.systemd.List(ctx, NginxService)
	if err != nil {
		return w, err
	}
	if len(states) == 1 && states[0].Up() {
		pid, err := a.systemd.MainPID(ctx, NginxService)
		if err != nil {
			return w, err
		}
		w.unit, w.masters = true, []int{pid}
		return w, nil
	}
	w.masters, err = nginx.Masters()
	return w, err
}

// reloadTimeout is how long nginx may take to read its configuration and fork.
const reloadTimeout = 30 * time.Second

// reloadNginx returns when only workers with the new configuration take
// requests. The old ones may serve their last ones for long.
func (a *Applier) reloadNginx(ctx context.Context) (old []nginx.Process, err error) {
	if !a.web.running() {
		return nil, nil
	}
	if old, err = nginx.Workers(a.web.masters...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	if a.web.unit {
		err = a.systemd.ReloadUnit(ctx, NginxService)
	} else {
		err = nginx.Signal(ctx, a.web.binary)
	}
	if err != nil {
		return old, err
	}
	// nginx says "reloaded" once the signal is sent, and its old workers accept a little longer than its new ones.
	err = poll(ctx, func() (bool, error) { return a.handedOver(old) })
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("nginx has no new workers %s after its reload; its error log says why", reloadTimeout)
	}
	return old, err
}

// handedOver reports whether there are new workers and the old ones accept no more.
func (a *Applier) handedOver(old []nginx.Process) (bool, error) {
	// In this order: one that begins to leave between the looks is seen as one that stays.
	leaving, err := nginx.Leaving(a.web.masters...)
	if err != nil {
		return false, err
	}
	all, err := nginx.Workers(a.web.masters...)
	fresh := slices.ContainsFunc(all, func(p nginx.Process) bool { return !slices.Contains(old, p) })
	stale := slices.ContainsFunc(all, func(p nginx.Process) bool { return slices.Contains(old, p) && !slices.Contains(leaving, p) })
	return fresh && !stale, err
}

// oldWorkersEnd waits until no worker with an older configuration is left.
func (a *Applier) oldWorkersEnd(ctx context.Context, old []nginx.Process) error {
	return poll(ctx, func() (bool, error) {
		now, err := nginx.Workers(a.web.masters...)
		return !slices.ContainsFunc(now, func(p nginx.Process) bool { return slices.Contains(old, p) }), err
	})
}

// pollEvery is the pace of looking for what is not announced.
const pollEvery = 100 * time.Millisecond

// poll waits until something is so.
func poll(ctx context.Context, so func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
