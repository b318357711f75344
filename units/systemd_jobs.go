package units

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// JobError is a job of systemd that did not end well.
type JobError struct {
	Verb, Unit string
	// Result is systemd's word: canceled, timeout, failed, dependency or skipped.
	Result string
}

func (e *JobError) Error() string {
	return fmt.Sprintf("cannot %s %s: the job's result is %q", e.Verb, e.Unit, e.Result)
}

// Start starts units, all at once, with what they want and require.
func (s *Systemd) Start(ctx context.Context, units ...string) error {
	return s.jobs(ctx, "start", units, s.conn.StartUnitContext)
}

// Stop stops units, all at once; one that does not run is stopped already.
func (s *Systemd) Stop(ctx context.Context, units ...string) error {
	return s.jobs(ctx, "stop", units, s.conn.StopUnitContext)
}

// Restart restarts a unit, or starts it. A unit that requires it is restarted with it, if it runs.
func (s *Systemd) Restart(ctx context.Context, unit string) error {
	return s.jobs(ctx, "restart", []string{unit}, s.conn.RestartUnitContext)
}

// TryRestart restarts a unit that runs and leaves another alone.
func (s *Systemd) TryRestart(ctx context.Context, unit string) error {
	return s.jobs(ctx, "restart", []string{unit}, s.conn.TryRestartUnitContext)
}

// ReloadUnit has a running unit read its configuration again.
func (s *Systemd) ReloadUnit(ctx context.Context, unit string) error {
	return s.jobs(ctx, "reload", []string{unit}, s.conn.ReloadUnitContext)
}

// begin is one of the library's calls that make a job.
type begin func(ctx context.Context, unit, mode string, result chan<- string) (int, error)

// pendingEvery is how often systemd is asked whether a job is still there. How long
// a job may take the units say.
const pendingEvery = 30 * time.Second

// jobs begins a job for every unit, then waits for all. Jobs go on when ctx ends first.
func (s *Systemd) jobs(ctx context.Context, verb string, units []string, begin begin) error {
	return jobs(ctx, verb, units, begin, func(unit string) (bool, error) {
		all, err := ask(ctx, func(ctx context.Context) ([]dbus.UnitStatus, error) {
			return s.conn.ListUnitsByPatternsContext(ctx, nil, []string{unit})
		})
		return slices.ContainsFunc(all, func(u dbus.UnitStatus) bool { return u.JobId != 0 }), err
	})
}

func jobs(ctx context.Context, verb string, units []string, begin begin, pending func(unit string) (bool, error)) error {
	results := make([]chan string, len(units))
	failures := make([]error, len(units))
	for i, unit := range units {
		// The connection stands still until the result is taken, so there must be room for it.
		results[i] = make(chan string, 1)
		_, err := ask(ctx, func(ctx context.Context) (int, error) { return begin(ctx, unit, "replace", results[i]) })
		if err != nil {
			failures[i] = fmt.Errorf("cannot %s %s: %w", verb, unit, err)
			results[i] <- "" // nothing to wait for
		}
	}
	for i, unit := range units {
		result, err := awaitJob(ctx, results[i], func() (bool, error) { return pending(unit) })
		switch {
		case err != nil:
			failures[i] = fmt.Errorf("cannot %s %s: %w", verb, unit, err)
		case failures[i] == nil:
			failures[i] = ended(verb, unit, result)
		}
	}
	return several(failures)
}

// awaitJob waits for a job's result as long as systemd has the job.
func awaitJob(ctx context.Context, result <-chan string, pending func() (bool, error)) (string, error) {
	look := time.NewTicker(pendingEvery)
	defer look.Stop()
	for over := false; ; {
		select {
		case r := <-result:
			return r, nil
		case <-ctx.Done():
			return "", ctx.Err()
		case <-look.C:
			if over { // its result would have come by now: systemd was executed again
				return "", errors.New("the job has ended, but systemd did not report its result")
			}
			is, err := pending()
			if err != nil {
				return "", err
			}
			over = !is
		}
	}
}

// ended is a job's result as an error.
func ended(verb, unit, result string) error {
	if result == "done" {
		return nil
	}
	return &JobError{verb, unit, result}
}

// several keeps errors one line: the first three, and how many more there are.
func several(failures []error) error {
	const shown = 3
	failed := make([]error, 0, len(failures))
	for _, err := range failures {
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) < 2 {
		return errors.Join(failed...)
	}
	var text []string
	for _, err := range failed[:min(shown, len(failed))] {
		text = append(text, err.Error())
	}
	if more := len(failed) - shown; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return &severalError{strings.Join(text, "; "), failed}
}

type severalError struct {
	text string
	all  []error
}

func (e *severalError) Error() string   { return e.text }
func (e *severalError) Unwrap() []error { return e.all }
