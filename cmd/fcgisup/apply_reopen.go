package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/nginx"
)

// reopen closes and opens sockets whose settings have changed. What waits in a
// socket is lost when it is closed, and systemd closes the socket first thing:
// so it happens while nobody uses it. nginx leaves one half of the instances
// out, then the other, where that can be had.
func (t *transaction) reopen(ctx context.Context) error {
	for _, p := range t.plans {
		if len(p.reopen) == 0 {
			continue
		}
		if err := t.reopenApp(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) reopenApp(ctx context.Context, p plan) error {
	if t.restartSockets {
		return t.reopenSockets(ctx, p, p.reopen)
	}
	if !t.canLeaveOut(p) {
		for _, n := range p.reopen {
			if err := t.reopenQuiet(ctx, p, []int{n}); err != nil {
				return err
			}
		}
		return nil
	}
	half := (p.app.Instances + 1) / 2
	for _, first := range []bool{true, false} {
		out := slices.DeleteFunc(slices.Clone(p.reopen), func(n int) bool { return first != (n <= half) })
		if len(out) == 0 {
			continue
		}
		if err := t.leaveOut(ctx, p, out); err != nil {
			return err
		}
		if err := t.reopenQuiet(ctx, p, out); err != nil {
			return err
		}
	}
	// The reload is the step for it; the last half is left out until then.
	c, _ := upstreamOf(p)
	return t.put(c, c.new)
}

// canLeaveOut tells whether nginx has another instance to send requests to
// meanwhile, and instances where it looks for them: those that move have no
// place that its old and its new configuration agree on.
func (t *transaction) canLeaveOut(p plan) bool {
	if _, ok := upstreamOf(p); !ok || !t.web.running() || p.app.Instances < 2 {
		return false
	}
	return !slices.ContainsFunc(p.reopen, func(n int) bool {
		return !slices.Contains(p.listening[n], p.app.Instance(n).Address)
	})
}

func upstreamOf(p plan) (change, bool) {
	i := slices.IndexFunc(p.changes, func(c change) bool { return c.name == "nginx/"+p.name+"-upstream.conf" })
	if i < 0 || p.app == nil {
		return change{}, false
	}
	return p.changes[i], true
}

// leaveOut has nginx send nothing to some instances, and waits until its workers agree.
func (t *transaction) leaveOut(ctx context.Context, p plan, out []int) error {
	c, _ := upstreamOf(p)
	down := map[int]bool{}
	for _, n := range out {
		down[n] = true
	}
	header, _, _ := bytes.Cut(c.new, []byte("\n"))
	for _, f := range nginx.Render(*p.app, nginx.Options{Down: down, Generator: strings.TrimPrefix(string(header), nginx.Header)}) {
		if f.Path != c.name {
			continue
		}
		if !slices.ContainsFunc(t.undo.written, func(w change) bool { return w.place == c.place }) {
			t.undo.written = append(t.undo.written, change{place: c.place, name: c.name, verb: "changed", old: c.old})
		}
		if err := t.put(c, f.Data); err != nil {
			return err
		}
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

// put writes a version of a file that an interrupted apply shall know for its own.
func (t *transaction) put(c change, data []byte) error {
	for _, p := range t.plans {
		if _, ours := upstreamOf(p); !ours || !strings.HasPrefix(c.name, "nginx/"+p.name+"-") {
			continue
		}
		r := p.ahead()
		r.Files[c.place] = append(r.Files[c.place], sum(data))
		if err := r.save(recordRoot, p.name); err != nil {
			return err
		}
	}
	if err := replaceFile(c.place, data, c.mode); err != nil {
		return fmt.Errorf("cannot write %s: %w", c.name, err)
	}
	return nil
}

func (t *transaction) reopenQuiet(ctx context.Context, p plan, numbers []int) error {
	held, err := t.used(ctx, p, numbers)
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return hinted(fmt.Errorf("the settings of %s have changed, and it does not come to rest within --drain %s: %s",
			byNumber(p.name, "socket", slices.Sorted(maps.Keys(held))), t.drain, plural(total(held), "connection")),
			"a quieter hour, a longer --drain, or --restart-sockets, which cuts them")
	}
	return t.reopenSockets(ctx, p, numbers)
}

// used is inUse for sockets about to be opened anew; without --drain there is no wait, but still no cut.
func (t *transaction) used(ctx context.Context, p plan, numbers []int) (map[int]int, error) {
	wait := *t.applier
	wait.drain = max(wait.drain, 2*quietLooks*pollEvery)
	return (&transaction{applier: &wait}).inUse(ctx, p, numbers)
}

func (t *transaction) reopenSockets(ctx context.Context, p plan, numbers []int) error {
	for _, n := range numbers {
		unit := unitName(p.name, n, "socket")
		t.undo.restarted = append(t.undo.restarted, restartedUnit{*p.app, unit})
		within, cancel := context.WithTimeout(ctx, jobPatience(*p.app))
		err := t.systemd.Restart(within, unit)
		cancel()
		if err != nil {
			return hinted(err, "journalctl -u "+unit+" says why")
		}
		if err := clearSockets(p.listening[n]); err != nil {
			return err
		}
	}
	return nil
}
