package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

func (t *transaction) writeFiles(context.Context) error {
	for _, p := range t.plans {
		t.undo.records = append(t.undo.records, p)
		if err := p.pendingRecord().save(recordRoot, p.Name); err != nil {
			return err
		}
	}
	for _, p := range t.plans {
		if err := t.change(p.write); err != nil {
			return err
		}
	}
	return nil
}

// change writes files and makes that last.
func (t *transaction) change(changes []Change) error {
	touched := map[string]bool{}
	for _, c := range changes {
		c.was = modified(c.Place)
		t.undo.written = append(t.undo.written, c)
		if err := c.apply(touched); err != nil {
			return err
		}
	}
	return syncFolders(touched)
}

func (t *transaction) testNginx(ctx context.Context) error {
	err := nginx.Test(ctx, t.web.binary)
	if err != nil && t.any(func(p Plan) bool { return p.gone() }) {
		return term.Hinted(err, "if that needs what is to be removed, take it out first")
	}
	return err
}

func (t *transaction) enable(ctx context.Context) error {
	for _, p := range t.plans {
		if !p.enable {
			continue
		}
		t.undo.enabled = append(t.undo.enabled, units.Names(p.Name).Target())
		if err := t.systemd.Enable(ctx, units.Names(p.Name).Target()); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) daemonReload(ctx context.Context) error {
	t.undo.reloaded = true
	return t.systemd.Reload(ctx)
}

func (t *transaction) start(ctx context.Context) error {
	for _, p := range t.plans {
		names := slices.Clone(p.start)
		if p.startTarget {
			names = append(names, units.Names(p.Name).Target())
		}
		if len(names) == 0 {
			continue
		}
		for _, unit := range names {
			t.systemd.ResetFailed(ctx, unit)
		}
		t.undo.started = append(t.undo.started, p.start...)
		if p.startTarget && p.from == 0 { // stopping it would stop sockets that were open before
			t.undo.started = append(t.undo.started, units.Names(p.Name).Target())
		}
		within, cancel := context.WithTimeout(ctx, jobTimeout(*p.App))
		err := t.systemd.Start(within, names...)
		cancel()
		if err != nil {
			return term.Hinted(err, "journalctl -u '"+p.Name+"-fastcgi*' says why")
		}
	}
	return nil
}

// jobTimeout is how long systemd may take to stop and start one of the app's units, with room for a slow machine.
func jobTimeout(app fcgisup.App) time.Duration {
	sum := app.Limits.StartTimeout + app.Limits.StopTimeout
	if sum < 0 || sum > time.Hour {
		sum = time.Hour
	}
	return 2*sum + time.Minute
}

// restart goes from instance to instance, so that the others serve meanwhile.
// A supervisor lets its workers finish, and requests wait in the socket; a
// program without one is cut short, so it has to be at rest.
func (t *transaction) restart(ctx context.Context) error {
	for _, p := range t.plans {
		one := func(n int) error {
			t.undo.restarted = append(t.undo.restarted, instanceOf{p, n})
			return t.restartService(ctx, p, n)
		}
		var err error
		switch {
		case len(p.restart) == 0:
		case p.App.Systemd.Supervise || t.drain <= 0:
			for _, n := range p.restart {
				if err = one(n); err != nil {
					break
				}
			}
		default:
			upstream, _ := p.upstream()
			err = t.atRest(ctx, p, p.restart, upstream.New, one)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) restartService(ctx context.Context, p Plan, n int) error {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout(*p.App))
	defer cancel()
	unit := units.Names(p.Name).Service(n)
	if err := t.systemd.TryRestart(ctx, unit); err != nil {
		return term.Hinted(err, "journalctl -u "+unit+" says why")
	}
	return t.comesUp(ctx, *p.App, n)
}

func (t *transaction) reread(ctx context.Context) error {
	for _, p := range t.plans {
		for _, n := range p.reread {
			// One that cannot goes on with what it had.
			if err := rereads(ctx, ControlOf(p.Name, n), control.RollTimeout(p.App)); err != nil {
				return term.Hinted(&supervisorError{p.Name, err}, "journalctl -u "+units.Names(p.Name).Service(n)+" says why")
			}
			t.undo.reread = append(t.undo.reread, fmt.Sprintf("%s@%d", p.Name, n))
		}
	}
	return nil
}

// swapNginx puts nginx's files right, if instances were left out meanwhile, and has it read them.
func (t *transaction) swapNginx(ctx context.Context) error {
	t.undo.nginx = true
	old, err := t.reloadNginx(ctx)
	t.old = append(t.old, old...)
	return err
}

// stop lets nginx forget the instances first, then stops those that no client uses any more.
func (t *transaction) stop(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, max(t.drain, time.Nanosecond))
	defer cancel()
	if err := t.oldWorkersEnd(waiting, t.old); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var failures []error
	for _, p := range t.plans {
		if err := t.stopApp(ctx, p); err != nil {
			failures = append(failures, err)
		}
	}
	return oneLine(failures)
}

func (t *transaction) stopApp(ctx context.Context, p Plan) error {
	held, err := t.inUse(ctx, p, p.stop, t.drain)
	if err != nil {
		return err
	}
	free := slices.DeleteFunc(slices.Clone(p.stopUnits), func(unit string) bool {
		_, n, _, _ := units.Parse(unit)
		return held[n] > 0
	})
	if err := t.systemd.Stop(ctx, free...); err != nil {
		return err
	}
	for _, n := range p.stop {
		if held[n] == 0 {
			if err := clearSockets(p.listening[n]); err != nil {
				return err
			}
		}
	}
	if len(held) > 0 {
		numbers := slices.Sorted(maps.Keys(held))
		return fmt.Errorf("%s serves %s for longer than --drain %s", byNumber(p.Name, "", numbers), term.Plural(total(held), "connection"), t.drain)
	}
	if p.stopTarget {
		if err := t.systemd.Stop(ctx, units.Names(p.Name).Target()); err != nil {
			return err
		}
	}
	for _, unit := range p.failed {
		t.systemd.ResetFailed(ctx, unit)
	}
	return clearRuntime(control.Root, p.Name, p.instances())
}

func total(held map[int]int) int {
	sum := 0
	for _, n := range held {
		sum += n
	}
	return sum
}

// quietTimeout is how long a person is not told what is being waited for.
const quietTimeout = 3 * time.Second

// inUse waits, up to a limit, until no client uses the instances, and says how many
// connections those have that are used still. Without a limit there is no wait.
func (t *transaction) inUse(ctx context.Context, p Plan, numbers []int, limit time.Duration) (map[int]int, error) {
	if limit <= 0 || len(numbers) == 0 {
		return nil, nil
	}
	owner := map[fcgisup.Address]int{}
	for _, n := range numbers {
		for _, a := range p.listening[n] {
			owner[a] = n
		}
	}
	soon := time.AfterFunc(quietTimeout, func() {
		t.waiting.Line(t.Err, fmt.Sprintf("fcgisup: waiting until %s has served its last requests, %s at most", byNumber(p.Name, "", numbers), limit))
	})
	defer soon.Stop()
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	busy, err := quiet(waiting, slices.Collect(maps.Keys(owner)))
	if err != nil {
		return nil, err
	}
	held := map[int]int{}
	for a, n := range busy {
		held[owner[a]] += max(n, 1)
	}
	return held, nil
}

func (t *transaction) disable(ctx context.Context) error {
	for _, p := range t.plans {
		if p.disable {
			// The sockets too, if they were enabled one by one.
			if err := t.systemd.Disable(ctx, units.Names(p.Name).Target(), units.Names(p.Name).SocketTemplate()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *transaction) erase(ctx context.Context) error {
	for _, p := range t.plans {
		touched := map[string]bool{}
		for _, c := range p.erase {
			if err := c.apply(touched); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := syncFolders(touched); err != nil {
			return err
		}
		if err := clearRuntime(control.Root, p.Name, p.instances()); err != nil {
			return err
		}
	}
	return t.systemd.Reload(ctx)
}
