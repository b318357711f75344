package chaos

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// footprint is what a supervisor has taken of the machine, at rest.
type footprint struct {
	descriptors, workers, goroutines int
	memory                           uint64
}

const (
	// quiet is how long a supervisor gets to come to rest.
	quiet = 2 * time.Second
	// slackDescriptors: one of a probe or a status may be open at that moment.
	slackDescriptors = 4
	slackGoroutines  = 6
	// slackMemory: a collector's heap is what it was at most, not what is live.
	slackMemory = 32 << 20
)

// compare judges an old supervisor by a fresh one of the same configuration.
func compare(old, fresh footprint) []string {
	var leaks []string
	workers := old.workers - fresh.workers
	if d := old.descriptors - fresh.descriptors - 2*max(workers, 0); d > slackDescriptors {
		leaks = append(leaks, fmt.Sprintf("%d descriptors are open, %d in a fresh one", old.descriptors, fresh.descriptors))
	}
	if g := old.goroutines - fresh.goroutines - 3*max(workers, 0); fresh.goroutines > 0 && g > slackGoroutines {
		leaks = append(leaks, fmt.Sprintf("%d goroutines, %d in a fresh one", old.goroutines, fresh.goroutines))
	}
	if old.memory > 2*fresh.memory+slackMemory {
		leaks = append(leaks, fmt.Sprintf("%d KiB resident, %d KiB in a fresh one", old.memory>>10, fresh.memory>>10))
	}
	return leaks
}

// leaks measures every supervisor, replaces it by a fresh one, and compares.
func (f *fleet) leaks(ctx context.Context) {
	sleep(ctx, quiet)
	var all sync.WaitGroup
	for _, m := range f.members {
		all.Go(func() {
			old, dump, err := f.measure(ctx, m)
			if err != nil {
				f.violate(ctx, RuleLeak, m, "cannot be measured: %v", err)
				return
			}
			sleep(ctx, quiet)
			fresh, _, err := f.measure(ctx, m)
			if err != nil {
				f.violate(ctx, RuleLeak, m, "cannot be measured afresh: %v", err)
				return
			}
			f.note("%s: %+v, fresh %+v", m.name, old, fresh)
			if found := compare(old, fresh); len(found) > 0 {
				f.violate(ctx, RuleLeak, m, "%s\n%s", strings.Join(found, "; "), dump)
			}
		})
	}
	all.Wait()
}

// measure takes a supervisor's footprint, and its life: SIGQUIT has a Go program
// print all goroutines and end. Its keeper starts another.
func (f *fleet) measure(ctx context.Context, m *member) (footprint, string, error) {
	pid := m.keeper.pid()
	fds, err := descriptors(pid)
	if err != nil {
		return footprint{}, "", err
	}
	used, err := memory(pid)
	if err != nil {
		return footprint{}, "", err
	}
	now := footprint{descriptors: len(fds), workers: len(descendants(pid)), memory: used}
	dump := fmt.Sprint(fds)
	r, readable := m.keeper.(*respawner)
	told := time.Now()
	if err := f.tell(m, syscall.SIGQUIT); err != nil {
		return now, dump, err
	}
	if err := f.again(ctx, m, pid); err != nil {
		return now, dump, err
	}
	if readable {
		now.goroutines, dump = countGoroutines(r.tail.text(told, time.Now()), dump)
	}
	return now, dump, nil
}

// countGoroutines counts them in a dump of all; the reader gets a line of each. The collector's workers are not counted: the
// runtime starts them with the first collections and keeps them.
func countGoroutines(log, dump string) (int, string) {
	n := 0
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "goroutine ") && strings.HasSuffix(strings.TrimSpace(line), ":") && !strings.Contains(line, "[GC worker ") {
			n++
			dump += "\n" + strings.TrimSpace(line)
		}
	}
	return n, dump
}

// finish applies the last configuration, looks for leaks, and ends the fleet.
func (f *fleet) finish(ctx context.Context, watching func()) {
	for _, m := range f.members {
		if err := errorsFirst(m.conf.write(), m.keeper.reload(ctx), f.awaitWell(ctx, m, startPatience)); err != nil {
			f.violate(ctx, RuleRecovery, m, "after all faults: %v", err)
			continue
		}
		if m.app == "hog" {
			continue
		}
		if got, ok := f.greets(ctx, m, startPatience); !ok {
			f.violate(ctx, RuleOrders, m, "after all it greets with %q, want %q", got, m.conf.wantGreeting())
		}
	}
	f.checkFiles(ctx)
	f.load.end()
	watching()
	f.strayWorkers(ctx)
	f.leaks(ctx)
	f.stop(ctx)
}

func errorsFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFiles: what is generated from the last configuration is what gen --check finds.
func (f *fleet) checkFiles(ctx context.Context) {
	done := map[string]bool{}
	for _, m := range f.members {
		if done[m.app] {
			continue
		}
		done[m.app] = true
		out := filepath.Join(f.dir, "check-"+m.app)
		if _, err := command(ctx, f.opt.Fcgisup, "gen", m.app, "--config", m.conf.path, "--out", out); err != nil {
			f.violate(ctx, RuleFiles, m, "%v", err)
			continue
		}
		if _, err := command(ctx, f.opt.Fcgisup, "gen", m.app, "--config", m.conf.path, "--out", out, "--check"); err != nil {
			f.violate(ctx, RuleFiles, m, "%v", err)
		}
	}
}

// strayWorkers: every process of the fleet is a supervisor, nginx, or below one of them.
func (f *fleet) strayWorkers(ctx context.Context) {
	var left []int
	for end := time.Now().Add(deathPatience); time.Now().Before(end); sleep(ctx, 100*time.Millisecond) {
		if left = f.unknown(); len(left) == 0 {
			return
		}
	}
	for _, pid := range left {
		f.violate(ctx, RuleLeft, nil, "process %d is below no supervisor: %s", pid, commandLine(pid))
	}
}

// unknown are strays while all members run; one that was started a moment ago may be among them.
func (f *fleet) unknown() []int {
	found := f.strays()
	var known []int
	for _, m := range f.members {
		if pid := m.keeper.pid(); pid != 0 {
			known = append(append(known, pid), descendants(pid)...)
		}
	}
	if f.nginx != nil {
		known = append(append(known, f.nginx.cmd.Process.Pid), descendants(f.nginx.cmd.Process.Pid)...)
	}
	return slices.DeleteFunc(found, func(pid int) bool { return slices.Contains(known, pid) || stateOf(pid) == 0 })
}

// stopPatience is more than the stop_timeout of the members.
const stopPatience = 60 * time.Second

// stop ends all members gently; nothing may be left.
func (f *fleet) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	var all sync.WaitGroup
	for _, m := range f.members {
		all.Go(func() {
			if err := m.keeper.stop(ctx); err != nil {
				f.violate(ctx, RuleOrders, m, "SIGTERM: %v", err)
			}
		})
	}
	all.Wait()
	if f.nginx != nil {
		if err := f.nginx.stop(); err != nil {
			f.note("nginx: %v", err)
		}
	}
	for end := time.Now().Add(5 * time.Second); len(f.strays()) > 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
	}
	for _, pid := range f.strays() {
		f.violate(ctx, RuleLeft, nil, "process %d is left at the end: %s", pid, commandLine(pid))
	}
}
