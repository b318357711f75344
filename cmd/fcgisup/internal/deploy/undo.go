package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/units"
)

// undo is what has been done, as far as it has to be taken back. A thing is
// noted before it is tried: a half of it may have happened.
type undo struct {
	records []Plan
	written []Change
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
	plan Plan
	n    int
}

// undoTimeout bounds the way back, which goes on when apply is interrupted.
const undoTimeout = 10 * time.Minute

// errHalfUndone says that a step failed whose effects could not be taken back.
var errHalfUndone = errors.New("cannot put everything back")

// goBack puts everything back and returns why, with what could not be put
// back. No request is lost on the way back either, so nginx comes first.
func (t *transaction) goBack(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var failures []error
	try := func(err error) {
		if err != nil {
			failures = append(failures, err)
		}
	}
	if len(t.undo.enabled) > 0 {
		try(t.systemd.Disable(ctx, t.undo.enabled...)) // needs the unit files
	}
	try(t.restore())
	if t.undo.nginx {
		try(t.forgetStarted(ctx))
	}
	// Before systemd reads the files: it has to know the units to stop them well.
	try(t.systemd.Stop(ctx, reversed(t.undo.started)...))
	if t.undo.reloaded || len(t.undo.enabled) > 0 {
		try(t.systemd.Reload(ctx))
	}
	try(t.again(ctx, t.undo.reopened, true, t.reopenSocket))
	try(t.again(ctx, t.undo.restarted, false, func(ctx context.Context, p Plan, n int) error {
		return t.systemd.Restart(ctx, units.Names(p.Name).Service(n))
	}))
	if t.undo.nginx {
		_, err := t.reloadNginx(ctx)
		try(err)
	}
	for _, p := range t.undo.records {
		try(p.record.save(recordRoot, p.Name))
	}
	switch {
	case len(failures) > 0:
		return fmt.Errorf("%w; and %w: %w", why, errHalfUndone, oneLine(failures))
	case len(t.undo.written) == 0:
		return why
	case len(t.undo.reread) > 0:
		return fmt.Errorf("%w; everything written is put back, but %s follows the new configuration", why, strings.Join(t.undo.reread, " "))
	}
	return fmt.Errorf("%w; everything is put back", why)
}

// forgetStarted has nginx, which read files with new instances in them, forget those before they are stopped.
func (t *transaction) forgetStarted(ctx context.Context) error {
	old, err := t.reloadNginx(ctx)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, t.drain)
	defer cancel()
	if err := t.oldWorkersEnd(waiting, append(old, t.old...)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var addresses []fcgisup.Address
	for _, p := range t.plans {
		for _, unit := range t.undo.started {
			if app, n, _, _ := units.Parse(unit); app == p.Name && n > 0 {
				addresses = append(addresses, p.App.Instance(n).Address)
			}
		}
	}
	// What is in use anyway is cut: it must not be there.
	_, err = quiet(waiting, addresses)
	return err
}

// again does something once more to instances, now that their units are as
// they were, with the same care. What has to be at rest and is not keeps the
// new settings, and the error says so.
func (t *transaction) again(ctx context.Context, done []instanceOf, rests bool, do func(context.Context, Plan, int) error) error {
	var failures []error
	for _, p := range t.plans {
		var numbers []int
		for _, d := range done {
			if d.plan.Name == p.Name {
				numbers = append(numbers, d.n)
			}
		}
		one := func(n int) error { return do(ctx, p, n) }
		if len(numbers) > 0 && (rests || !p.App.Systemd.Supervise) {
			upstream, _ := p.upstream()
			failures = append(failures, t.atRest(ctx, p, numbers, upstream.Old, one))
			continue
		}
		for _, n := range numbers {
			failures = append(failures, one(n))
		}
	}
	return oneLine(failures)
}

// restore undoes what was written, the last first.
func (t *transaction) restore() error {
	var failures []error
	touched := map[string]bool{}
	for _, c := range reversed(t.undo.written) {
		if c.pending() { // its write failed, as on a full or read-only file system, where this one would fail too
			continue
		}
		back := c.inverse()
		// What failed to be created is not there to be removed.
		if err := back.apply(touched); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
		if back.New == nil || c.was.IsZero() {
			continue
		}
		// Systemd and doctor take a younger file for one that was not read.
		if err := os.Chtimes(c.Place, time.Time{}, c.was); err != nil {
			failures = append(failures, fmt.Errorf("cannot put back the time of %s: %w", c.Name, err))
		}
	}
	return oneLine(append(failures, syncFolders(touched)))
}

// pending reports whether the file is still what it was.
func (c Change) pending() bool {
	if c.Old == nil || !modified(c.Place).Equal(c.was) {
		return false
	}
	now, err := os.ReadFile(c.Place)
	return err == nil && bytes.Equal(now, c.Old)
}

// modified is when a file was written, zero without one.
func modified(place string) time.Time {
	info, err := os.Stat(place)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// oneLine joins errors as people read them.
func oneLine(failures []error) error {
	var all error
	for _, err := range failures {
		switch {
		case err == nil:
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// inverse takes a change back.
func (c Change) inverse() Change {
	back := c
	back.Old, back.New, back.mode = c.New, c.Old, 0o644
	switch c.Verb {
	case "created":
		back.Verb = "removed"
	case "removed":
		back.Verb = "created"
	}
	return back
}

func reversed[T any](all []T) []T {
	all = slices.Clone(all)
	slices.Reverse(all)
	return all
}
