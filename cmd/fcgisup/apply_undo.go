package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// undo is what has been done, as far as it has to be taken back. A thing is
// noted before it is tried: a half of it may have happened.
type undo struct {
	records []plan
	written []change
	enabled []string
	started []string
	// restarted are services and reopened sockets.
	restarted, reopened []instanceOf
	// reread are instances whose supervisor has read the configuration. That is
	// the administrator's file, and is not put back.
	reread []string
	// reloaded and nginx tell that systemd and nginx have read what was written.
	reloaded, nginx bool
}

type instanceOf struct {
	plan plan
	n    int
}

// undoPatience bounds the way back, which goes on when apply is interrupted.
const undoPatience = 10 * time.Minute

// goBack puts everything back and returns why, with what could not be put back.
func (t *transaction) goBack(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	var failures []error
	try := func(err error) {
		if err != nil {
			failures = append(failures, err)
		}
	}
	// While systemd still knows the units as they were written.
	try(t.systemd.Stop(ctx, reversed(t.undo.started)...))
	if len(t.undo.enabled) > 0 {
		try(t.systemd.Disable(ctx, t.undo.enabled...))
	}
	try(t.restore())
	if t.undo.reloaded || len(t.undo.enabled) > 0 {
		try(t.systemd.Reload(ctx))
	}
	try(t.reopenBack(ctx))
	for _, r := range t.undo.restarted {
		try(t.systemd.Restart(ctx, unitName(r.plan.name, r.n, "service")))
	}
	if t.undo.nginx {
		_, err := t.reloadNginx(ctx)
		try(err)
	}
	for _, p := range t.undo.records {
		try(p.record.save(recordRoot, p.name))
	}
	if len(failures) > 0 {
		return fmt.Errorf("%w; and cannot put everything back: %w", why, errors.Join(failures...))
	}
	if len(t.undo.written) == 0 {
		return why
	}
	if len(t.undo.reread) > 0 {
		return fmt.Errorf("%w; everything written is put back, but %s follows the new configuration", why, strings.Join(t.undo.reread, " "))
	}
	return fmt.Errorf("%w; everything is put back", why)
}

// reopenBack opens sockets with the settings they had, with the same care. What
// is not at rest keeps the new ones, and the error says so.
func (t *transaction) reopenBack(ctx context.Context) error {
	var failures []error
	for _, p := range t.plans {
		var numbers []int
		for _, r := range t.undo.reopened {
			if r.plan.name == p.name {
				numbers = append(numbers, r.n)
			}
		}
		if len(numbers) == 0 {
			continue
		}
		one := func(n int) error { return t.reopenSocket(ctx, p, n) }
		upstream, _ := p.upstream()
		failures = append(failures, t.atRest(ctx, p, numbers, upstream.old, one))
	}
	return errors.Join(failures...)
}

// restore undoes what was written, the last first.
func (t *transaction) restore() error {
	var failures []error
	touched := map[string]bool{}
	for _, c := range reversed(t.undo.written) {
		// What failed to be created is not there to be removed.
		if err := c.inverse().apply(touched); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return errors.Join(append(failures, syncFolders(touched))...)
}

// inverse takes a change back.
func (c change) inverse() change {
	back := c
	back.old, back.new, back.mode = c.new, c.old, 0o644
	switch c.verb {
	case "created":
		back.verb = "removed"
	case "removed":
		back.verb = "created"
	}
	return back
}

func reversed[T any](all []T) []T {
	all = slices.Clone(all)
	slices.Reverse(all)
	return all
}
