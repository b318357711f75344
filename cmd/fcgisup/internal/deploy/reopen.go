package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/internal/atomicfile"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// reopen closes and opens sockets whose settings have changed. What waits in a
// socket is lost when it is closed, and systemd closes it whatever it holds: so
// it happens while no client uses it.
func (t *transaction) reopen(ctx context.Context) error {
	for _, p := range t.plans {
		one := func(n int) error {
			t.undo.reopened = append(t.undo.reopened, instanceOf{p, n})
			if err := t.reopenSocket(ctx, p, n); err != nil || !p.awake[n] {
				return err
			}
			within, cancel := context.WithTimeout(ctx, jobTimeout(*p.App))
			defer cancel()
			return t.comesUp(within, *p.App, n)
		}
		if t.RestartSockets {
			for _, n := range p.reopen {
				if err := one(n); err != nil {
					return err
				}
			}
			continue
		}
		upstream, _ := p.upstream()
		if err := t.atRest(ctx, p, p.reopen, upstream.New, one); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) reopenSocket(ctx context.Context, p Plan, n int) error {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout(*p.App))
	defer cancel()
	unit := units.Names(p.Name).Socket(n)
	err := t.systemd.Restart(ctx, unit)
	if err == nil && p.awake[n] {
		// It is on its way already: systemd has stopped it for the socket's sake.
		unit = units.Names(p.Name).Service(n)
		err = t.systemd.Start(ctx, unit)
	}
	if err != nil {
		return term.Hinted(err, "journalctl -u "+unit+" says why")
	}
	return clearSockets(append(slices.Clone(p.listening[n]), p.App.Instance(n).Address))
}

// atRest does something to instances that must not serve meanwhile. nginx,
// whose file says upstream in the end, leaves one half of them out and then the
// other, where that can be had; without, there has to be a moment of rest. The
// last half is left out until the next reload.
func (t *transaction) atRest(ctx context.Context, p Plan, numbers []int, upstream []byte, do func(n int) error) error {
	apart := t.canMarkDown(p, numbers, upstream)
	size := 1
	if apart {
		size = (len(numbers) + 1) / 2
	}
	for some := range slices.Chunk(numbers, max(size, 1)) {
		if apart {
			if err := t.markDown(ctx, p, some, upstream); err != nil {
				return err
			}
		}
		if err := t.rest(ctx, p, some); err != nil {
			return err
		}
		for _, n := range some {
			if err := do(n); err != nil {
				return err
			}
		}
	}
	if !apart {
		return nil
	}
	return t.put(p, upstream)
}

// rest waits until no client uses the instances, or fails.
func (t *transaction) rest(ctx context.Context, p Plan, numbers []int) error {
	held, err := t.inUse(ctx, p, numbers, max(t.drain, 2*quietLooks*pollEvery))
	if err != nil || len(held) == 0 {
		return err
	}
	return term.Hinted(fmt.Errorf("the settings of %s have changed, and it does not come to rest within --drain %s: %s",
		byNumber(p.Name, "", slices.Sorted(maps.Keys(held))), t.drain, term.Plural(total(held), "connection")),
		"a quieter hour, a longer --drain, or --restart-sockets, which cuts them")
}

// canMarkDown reports whether nginx has another instance to send requests to
// meanwhile, and instances where it looks for them: those that move have no
// place that its old and its new configuration agree on.
func (t *transaction) canMarkDown(p Plan, numbers []int, upstream []byte) bool {
	if !t.web.running() || len(numbers) == 0 || bytes.Count(upstream, []byte("\tserver ")) < 2 {
		return false
	}
	return !slices.ContainsFunc(numbers, func(n int) bool {
		at := p.App.Instance(n).Address
		return !slices.Contains(p.listening[n], at) || bytes.Equal(nginx.Down(upstream, at), upstream)
	})
}

// upstream is the file that names the app's servers to nginx, if there is nginx.
func (p *Plan) upstream() (Change, bool) {
	i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Name == "nginx/"+p.Name+"-upstream.conf" })
	if i < 0 {
		return Change{}, false
	}
	return p.Changes[i], true
}

// markDown has nginx send nothing to some instances, and waits until its workers agree.
func (t *transaction) markDown(ctx context.Context, p Plan, out []int, upstream []byte) error {
	var addresses []fcgisup.Address
	for _, n := range out {
		addresses = append(addresses, p.App.Instance(n).Address)
	}
	if err := t.put(p, nginx.Down(upstream, addresses...)); err != nil {
		return err
	}
	t.undo.nginx = true
	old, err := t.reloadNginx(ctx)
	if err != nil {
		return err
	}
	t.old = append(t.old, old...)
	waiting, cancel := context.WithTimeout(ctx, t.drain)
	defer cancel()
	// Those that last longer show in the sockets, if they matter.
	if err := t.oldWorkersEnd(waiting, old); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// put writes a version of the upstream that an interrupted apply must know for its own.
func (t *transaction) put(p Plan, data []byte) error {
	c, _ := p.upstream()
	r := p.pendingRecord()
	r.Files[c.Place] = append(r.Files[c.Place], sum(data))
	if err := r.save(recordRoot, p.Name); err != nil {
		return err
	}
	if !slices.ContainsFunc(t.undo.written, func(w Change) bool { return w.Place == c.Place }) {
		t.undo.written = append(t.undo.written, Change{Place: c.Place, Name: c.Name, Verb: "changed", Old: c.Old, was: modified(c.Place)})
	}
	if err := atomicfile.Replace(c.Place, data, 0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", c.Name, err)
	}
	return nil
}
