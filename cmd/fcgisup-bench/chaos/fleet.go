package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// fleet is all that a run consists of.
type fleet struct {
	opt Options
	rec *recorder
	// dir has all files; disk, below it, is a file system of its own where that can be had.
	dir, disk string
	members   []*member
	nginx     *webServer
	spawn     *spawner
	load      *load
	// absent is what there is not.
	absent []string
	// cleanups are run last to first.
	cleanups []func() error

	mu         sync.Mutex
	violations []Violation
	// programs guards the programs' files, which several steps may want to break;
	// broken counts those that have, by app.
	programs sync.Mutex
	broken   map[string]int
	// successors guards the copies of the program under test.
	successors sync.Mutex
}

func newFleet(opt Options) *fleet {
	return &fleet{opt: opt, rec: newRecorder(), spawn: &spawner{work: make(chan func())}, broken: map[string]int{}}
}

func (f *fleet) lacks(format string, args ...any) {
	f.absent = append(f.absent, fmt.Sprintf(format, args...))
}

func (f *fleet) later(cleanup func() error) { f.cleanups = append(f.cleanups, cleanup) }

// violate records what is not in the history.
func (f *fleet) violate(ctx context.Context, rule Rule, m *member, format string, args ...any) {
	v := Violation{Rule: rule, At: f.rec.now(), Detail: fmt.Sprintf(format, args...)}
	if m != nil {
		v.Member, v.Evidence = m.name, m.evidence(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.violations = append(f.violations, v)
}

// start brings the whole fleet up.
func (f *fleet) start(ctx context.Context) error {
	go func() {
		runtime.LockOSThread() // for good, see spawner
		for work := range f.spawn.work {
			work()
		}
	}()
	f.later(func() error { close(f.spawn.work); return nil })
	if err := f.folders(); err != nil {
		return err
	}
	for _, s := range specs() {
		if why := f.cannot(s); why != "" {
			f.lacks("%s: %s", s.app, why)
			continue
		}
		if err := f.enlist(ctx, s); err != nil {
			return fmt.Errorf("cannot set up %s: %w", s.app, err)
		}
	}
	if len(f.members) == 0 {
		return errors.New("no member of the fleet can run here")
	}
	for _, m := range f.members {
		if err := m.keeper.start(ctx); err != nil {
			return fmt.Errorf("cannot start %s: %w", m.name, err)
		}
	}
	for _, m := range f.members {
		if err := f.awaitWell(ctx, m, startPatience); err != nil {
			return fmt.Errorf("%s did not come up: %w\n%s", m.name, err, m.evidence(ctx))
		}
	}
	return f.startNginx(ctx)
}

// startPatience bounds the start of the fleet, all at once on a slow machine.
const startPatience = 60 * time.Second

// cannot says why a member cannot be had here.
func (f *fleet) cannot(s spec) string {
	if len(f.opt.Members) > 0 && !slices.Contains(f.opt.Members, s.app) {
		return "not asked for"
	}
	if s.hold == bySystemd && !f.opt.Systemd {
		return "needs systemd, in a box"
	}
	for _, file := range []string{filepath.Join(f.opt.Programs, s.program), s.needs} {
		if _, err := os.Stat(file); file != "" && err != nil {
			return err.Error()
		}
	}
	return ""
}

// diskSize bounds the small file system that holds programs, configuration and sockets.
const diskSize = "64m"

func (f *fleet) folders() error {
	var err error
	parent := ""
	if f.opt.Systemd {
		parent = "/var/lib" // a unit has a /tmp of its own
	}
	if f.dir, err = os.MkdirTemp(parent, "chaos-"); err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	f.later(func() error { return os.RemoveAll(f.dir) })
	f.disk = filepath.Join(f.dir, "d")
	if err := errors.Join(os.Chmod(f.dir, 0o755), os.Mkdir(f.disk, 0o755), os.Mkdir(filepath.Join(f.dir, "bin"), 0o755)); err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	if err := unix.Mount("chaos", f.disk, "tmpfs", 0, "mode=755,nr_inodes=400,size="+diskSize); err != nil {
		f.lacks("a small disk: %v", err)
	} else {
		f.later(func() error { return unix.Unmount(f.disk, unix.MNT_DETACH) })
	}
	return nil
}

// awaitWell waits until a member is well; other steps that are about it give it more time, but not for ever.
func (f *fleet) awaitWell(ctx context.Context, m *member, limit time.Duration) error {
	last := time.Now().Add(2 * limit)
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := m.well(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if m.active.Load() > 1 {
			end = time.Now().Add(limit)
		}
		if now := time.Now(); now.After(end) || now.After(last) {
			return err
		}
	}
}

// close ends what still runs and removes all files.
func (f *fleet) close() error {
	var errs []error
	for _, pid := range f.strays() {
		if p, err := openProcess(pid); err == nil {
			errs = append(errs, p.signal(unix.SIGKILL), unix.Close(p.fd))
		}
	}
	for _, cleanup := range slices.Backward(f.cleanups) {
		if err := cleanup(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// strays are processes that run a file of the fleet's directory.
func (f *fleet) strays() []int {
	var pids []int
	for _, pid := range allPIDs() {
		if pid != os.Getpid() && f.dir != "" && strings.Contains(commandLine(pid), f.dir+"/") && stateOf(pid) != 'Z' {
			pids = append(pids, pid)
		}
	}
	return pids
}

// command runs a command to its end, and has its output in the error.
func command(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
