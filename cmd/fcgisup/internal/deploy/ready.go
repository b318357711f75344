package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// ControlOf is the control socket of the supervisor that systemd starts for an instance.
func ControlOf(app string, n int) string {
	return filepath.Join(control.Root, fmt.Sprintf("%s-%d", app, n), control.ControlName)
}

// comesUp waits until a restarted instance has found its state, and fails if
// that is failing. One that goes to sleep has been asked nothing yet.
func (a *Applier) comesUp(ctx context.Context, app fcgisup.App, n int) error {
	if !app.Systemd.Supervise {
		return nil // Type=exec: systemd has seen it begin, and more is not visible
	}
	var last error
	err := poll(ctx, func() (bool, error) {
		var all []control.Status
		if all, last = control.Fetch(ctx, nil, ControlOf(app.Name, n)); last != nil {
			states, err := a.systemd.List(ctx, units.Names(app.Name).Service(n))
			return err == nil && (len(states) == 0 || states[0].Active == "inactive"), err
		}
		for _, st := range aboutInstance(app, n, all) {
			switch st.State {
			case control.Up, control.Saturated, control.Sleeping:
				return true, nil
			case control.InstanceFailing:
				return false, whyFailing(st)
			case control.InstanceStarting, control.InstanceStopping:
			}
		}
		return false, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && last != nil {
		err = &supervisorError{app.Name, last}
	}
	if err != nil {
		return term.Hinted(fmt.Errorf("%s@%d does not come up: %w", app.Name, n, err), "journalctl -u "+units.Names(app.Name).Service(n)+" says why")
	}
	return nil
}

// aboutInstance is what a supervisor says of the instance that it was asked about.
func aboutInstance(app fcgisup.App, n int, all []control.Status) []control.Status {
	return slices.DeleteFunc(all, func(st control.Status) bool { return st.App != app.Name || st.Instance != n })
}

func whyFailing(st control.Status) error {
	if st.LastFailure == nil {
		return errors.New("it is failing")
	}
	err := fmt.Errorf("it is failing: %s, %s", st.LastFailure.Cause, st.LastFailure.Detail)
	if text := control.FirstLines(st.LastFailure); text != "" {
		err = fmt.Errorf("%w; it printed: %s", err, text)
	}
	return err
}

// beginTimeout is how long a service that runs may be without its control socket.
const beginTimeout = 20 * time.Second

// supervisorError says that a supervisor of an app cannot be asked or refuses. Its
// control socket is the app's user's, who must not keep root from applying others.
type supervisorError struct {
	app   string
	cause error
}

func (e *supervisorError) Error() string { return e.cause.Error() }
func (e *supervisorError) Unwrap() error { return e.cause }

// rereads has a supervisor read its configuration again. One that has gone to
// sleep since will read it when it wakes.
func rereads(ctx context.Context, socket string, limit time.Duration) error {
	within, cancel := context.WithTimeout(ctx, beginTimeout)
	defer cancel()
	err := poll(within, func() (bool, error) {
		_, err := control.Fetch(within, nil, socket)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
			return false, nil
		}
		return true, err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return post(ctx, socket, limit)
}

// post waits as long as workers may take to be replaced.
func post(ctx context.Context, path string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return control.Ask(ctx, path, http.MethodPost, control.ReloadTarget, &struct{}{})
}

// probed are the instances that must answer now: eager ones, unless they may sleep.
func (p *Plan) probed() []int {
	if p.App == nil || p.App.Activation != fcgisup.Eager || p.App.Limits.IdleTimeout > 0 {
		return nil
	}
	if len(p.start)+len(p.reopen)+len(p.restart)+len(p.reread) == 0 {
		return nil
	}
	var all []int
	for _, in := range p.App.Expand() {
		all = append(all, in.Number)
	}
	return all
}

// probedAtOnce bounds the probes under way.
const probedAtOnce = 64

// probe waits until every eager instance answers as its health: section says.
func (t *transaction) probe(ctx context.Context) error {
	for _, p := range t.plans {
		numbers := p.probed()
		if len(numbers) == 0 {
			continue
		}
		limit := jobTimeout(*p.App)
		within, cancel := context.WithTimeout(ctx, limit)
		soon := time.AfterFunc(quietTimeout, func() {
			t.waiting.Line(t.Err, fmt.Sprintf("fcgisup: waiting until %s answers, %s at most", byNumber(p.Name, "", numbers), limit))
		})
		group, within := errgroup.WithContext(within)
		group.SetLimit(probedAtOnce)
		for _, n := range numbers {
			group.Go(func() error { return answers(within, *p.App, n) })
		}
		err := group.Wait()
		soon.Stop()
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// betweenProbes is longer than pollEvery: a request that timed out is executed anyway.
const betweenProbes = time.Second

// answers asks one instance until it answers right. One that is busy serves, which is an answer.
func answers(ctx context.Context, app fcgisup.App, n int) error {
	if app.Health.Path == "" {
		return accepts(ctx, app, n)
	}
	for {
		asking, cancel := context.WithTimeout(ctx, app.Health.Timeout)
		result := peer.Probe(asking, app, app.Instance(n))
		cancel()
		if result.Err == nil || slices.Contains([]fcgi.Class{fcgi.Full, fcgi.Overloaded}, result.Class) {
			return nil
		}
		serves, failed := consult(ctx, app, n)
		switch {
		case serves:
			return nil
		case failed != nil:
			return term.Hinted(fmt.Errorf("%s@%d does not come up: %w", app.Name, n, failed), fmt.Sprintf("journalctl -u %s says why", units.Names(app.Name).Service(n)))
		}
		select {
		case <-time.After(betweenProbes):
		case <-ctx.Done():
			return term.Hinted(fmt.Errorf("%s@%d does not answer: %w", app.Name, n, result.Err), fmt.Sprintf("journalctl -u %s says why", units.Names(app.Name).Service(n)))
		}
	}
}

// accepts waits until a worker of an instance accepts, or serves. An app without
// health.path is not asked: its program may answer no ping, or die of one.
func accepts(ctx context.Context, app fcgisup.App, n int) error {
	var why error
	err := poll(ctx, func() (bool, error) {
		if app.Systemd.Supervise {
			all, err := control.Fetch(ctx, nil, ControlOf(app.Name, n))
			if why = err; err != nil {
				return false, nil // it may be on its way
			}
			for _, st := range aboutInstance(app, n, all) {
				switch st.State {
				case control.Up, control.Saturated:
					return true, nil
				case control.InstanceFailing:
					return false, whyFailing(st)
				case control.Sleeping, control.InstanceStarting, control.InstanceStopping:
					why = errors.New("it is " + string(st.State))
				}
			}
			return false, nil
		}
		ok, err := received(app.Instance(n).Address)
		why = err
		return ok, nil
	})
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) && why != nil {
		err = why
	}
	return term.Hinted(fmt.Errorf("%s@%d does not come up: %w", app.Name, n, err), fmt.Sprintf("journalctl -u %s says why", units.Names(app.Name).Service(n)))
}

// received reports whether a process other than systemd accepts on an address, or serves; why not otherwise.
func received(a fcgisup.Address) (bool, error) {
	l, sample, _, err := (&peer.Surveyor{}).Look(a.Network, a.Addr, true)
	if err != nil {
		return false, err
	}
	defer l.Close()
	r, err := (&peer.Acceptors{}).At(l.Inode())
	switch {
	case err != nil:
		return false, err
	case r.Accepts, r.Polls, r.Workers > 0 && len(sample.Conns) > 0:
		return true, nil
	}
	return false, errors.New(r.Why())
}

// consult asks the supervisor about an instance that did not answer: whether it is failing, or busy with requests.
func consult(ctx context.Context, app fcgisup.App, n int) (serves bool, failed error) {
	if !app.Systemd.Supervise {
		return false, nil
	}
	all, err := control.Fetch(ctx, nil, ControlOf(app.Name, n))
	if err != nil {
		return false, nil // it may be on its way
	}
	for _, st := range aboutInstance(app, n, all) {
		switch st.State {
		case control.InstanceFailing:
			return false, whyFailing(st)
		case control.Saturated:
			return true, nil
		default:
		}
	}
	return false, nil
}
