package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// obeyed is for an order's result: refused or failed it is a violation only if
// nothing else happens to the member.
func (f *fleet) obeyed(ctx context.Context, m *member, alone func() bool, err error) (string, error) {
	if err == nil {
		return "", nil
	}
	if alone() && ctx.Err() == nil {
		f.violate(ctx, RuleOrders, m, "nothing else was wrong, and still: %v", err)
	}
	return err.Error(), nil
}

func (f *fleet) restart(ctx context.Context, m *member, _ Step) (string, error) {
	alone := m.alone()
	return f.obeyed(ctx, m, alone, m.post(ctx, "/restart"))
}

// scale sets another number of workers, and after a while yet another.
func (f *fleet) scale(ctx context.Context, m *member, s Step) (string, error) {
	alone := m.alone()
	first, second := 1+s.Pick%5, 1+s.Pick/5%4
	err := m.post(ctx, fmt.Sprintf("/scale?workers=%d", first))
	sleep(ctx, s.Hold)
	if err == nil {
		err = m.post(ctx, fmt.Sprintf("/scale?workers=%d", second))
	}
	note, err := f.obeyed(ctx, m, alone, err)
	return fmt.Sprintf("to %d, to %d; %s", first, second, note), err
}

// editConfig changes the file and has the member read it.
func (f *fleet) editConfig(ctx context.Context, m *member, s Step) (string, error) {
	alone := m.alone()
	if err := m.conf.edit(s.Pick); err != nil {
		return "", skip("%v", err)
	}
	if s.Pick%2 == 0 {
		return f.obeyed(ctx, m, alone, m.keeper.reload(ctx))
	}
	note, err := f.obeyed(ctx, m, alone, m.post(ctx, "/reload"))
	if note != "" || err != nil || m.app == "hog" {
		return note, err
	}
	if got, ok := f.greets(ctx, m, 0); !ok && alone() {
		f.violate(ctx, RuleOrders, m, "reloaded, and still it greets with %q, want %q", got, m.conf.wantGreeting())
	}
	return "", nil
}

// greets reports whether the member's workers have the environment of the last edit.
func (f *fleet) greets(ctx context.Context, m *member, wait time.Duration) (string, bool) {
	want := m.conf.wantGreeting()
	for end := time.Now().Add(wait); ; time.Sleep(50 * time.Millisecond) {
		page, err := m.targets[0].ask(ctx, "/env?GREETING", nil, nil)
		if err == nil && strings.Contains(page, "\r\n\r\n"+want+"\n") {
			return page, true
		}
		if time.Now().After(end) {
			return fmt.Sprint(page, err), false
		}
	}
}

// breakConfig has a broken file read, in one of the ways that there are; it must change nothing.
func (f *fleet) breakConfig(ctx context.Context, m *member, s Step) (string, error) {
	alone := m.alone()
	if err := m.conf.spoil(); err != nil {
		return "", skip("%v", err)
	}
	before := m.keeper.pid()
	var note string
	var err error
	switch s.Pick % 4 {
	case 0:
		note, err = "reload", m.keeper.reload(ctx)
	case 1:
		note = "reload by control"
		if m.post(ctx, "/reload") == nil && alone() {
			f.violate(ctx, RuleOrders, m, "a broken configuration was reloaded without an error")
		}
	case 2:
		note, err = "handover", f.tell(m, syscall.SIGUSR2)
	case 3:
		end := f.open(m, Window{Kind: s.Kind, Refuses: m.hold == own, Loses: m.hold == own})
		defer end()
		note, err = f.killUnfixed(ctx, m)
	}
	sleep(ctx, 300*time.Millisecond)
	for fixed := m.conf.write(); fixed != nil; fixed = m.conf.write() {
		sleep(ctx, 100*time.Millisecond) // a full disk
		if ctx.Err() != nil {
			return note, fixed
		}
	}
	if s.Pick%4 == 3 && err == nil {
		err = f.again(ctx, m, before)
	}
	if _, skipped := isSkip(err); skipped {
		err = nil
	}
	return note, errors.Join(err, f.awaitWell(ctx, m, startPatience))
}

// killUnfixed kills a supervisor whose successor will not like its configuration.
func (f *fleet) killUnfixed(ctx context.Context, m *member) (string, error) {
	p, err := openProcess(m.keeper.pid())
	if err != nil {
		return "", skip("%v", err)
	}
	defer closeProcesses([]process{p})
	stopAll([]process{p})
	return f.kill(ctx, m, BreakConfig, m.workers(), p.pid)
}

func (f *fleet) tell(m *member, sig unix.Signal) error {
	p, err := openProcess(m.keeper.pid())
	if err != nil {
		return skip("%v", err)
	}
	defer closeProcesses([]process{p})
	return p.signal(sig)
}

// handoverPatience is how long the next program may take to be there.
const handoverPatience = 30 * time.Second

// handover has the program executed again: the same process, the same workers.
func (f *fleet) handover(ctx context.Context, m *member, _ Step) (string, error) {
	alone := m.alone()
	// The next program reads the configuration too, and applies what others have edited.
	_, current := f.greets(ctx, m, 0)
	before, pid := m.workers(), m.keeper.pid()
	r, readable := m.keeper.(*respawner)
	takeovers := 0
	if readable {
		takeovers = r.tail.takeovers()
	}
	if err := f.tell(m, unix.SIGUSR2); err != nil {
		return "", err
	}
	for end := time.Now().Add(handoverPatience); readable && r.tail.takeovers() == takeovers; sleep(ctx, 20*time.Millisecond) {
		if time.Now().After(end) || m.keeper.pid() != pid || r.tail.silent() {
			return "no process was seen to take over", nil // nor need it be: its log may be closed
		}
	}
	err := f.awaitWell(ctx, m, startPatience)
	if alone() && err == nil && m.keeper.pid() != pid {
		f.violate(ctx, RuleOrders, m, "by a handover supervisor %d became %d", pid, m.keeper.pid())
	}
	after := m.workers()
	same := slices.DeleteFunc(slices.Clone(before), func(pid int) bool { return !slices.Contains(after, pid) })
	if fixed := !strings.HasPrefix(m.spec.workers, "{"); alone() && err == nil && current && fixed && len(same) == 0 && len(before) > 0 {
		f.violate(ctx, RuleOrders, m, "no worker has survived a handover: %v, then %v", before, after)
	}
	return fmt.Sprintf("%d; workers %v, then %v", pid, before, after), err
}

// brokenSuccessor replaces the program under test by one that does not work, and has it take over.
func (f *fleet) brokenSuccessor(ctx context.Context, m *member, s Step) (string, error) {
	if m.hold == bySystemd {
		return "", skip("all of its members run one file")
	}
	path := filepath.Join(f.dir, "bin", m.name, "fcgisup")
	bad := []string{"#!/bin/sh\nexit 1\n", "#!/bin/sh\necho fcgisup could not\n", "\x7fELF"}[s.Pick%3]
	f.successors.Lock()
	defer f.successors.Unlock()
	if err := errors.Join(os.Rename(path, path+".good"), os.WriteFile(path, []byte(bad), 0o755)); err != nil {
		return "", err
	}
	// A supervisor that ends now, for another fault, has no successor that works.
	defer f.open(m, Window{Kind: s.Kind, Refuses: m.hold == own, Loses: m.hold == own})()
	pid, alone := m.keeper.pid(), m.alone()
	err := f.tell(m, []unix.Signal{unix.SIGUSR2, unix.SIGHUP}[s.Pick%2])
	sleep(ctx, 500*time.Millisecond)
	if now := m.keeper.pid(); err == nil && alone() && now != pid {
		f.violate(ctx, RuleOrders, m, "a broken successor has ended supervisor %d, now %d", pid, now)
	}
	err = errors.Join(err, os.Rename(path+".good", path))
	return "", errors.Join(err, f.awaitWell(ctx, m, startPatience))
}
