package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// Options is what a supervisor is made of.
type Options struct {
	App fcgisup.App
	// Sockets holds one socket for each instance to supervise. They stay the
	// caller's: Run does not close them.
	Sockets map[fcgisup.Instance]*listen.Socket
	Spawner *worker.Spawner
	// Environ is what workers inherit, as os.Environ has it.
	Environ []string
	// Probe asks an instance once; ctx bounds the whole exchange.
	Probe func(ctx context.Context, app fcgisup.App, in fcgisup.Instance) control.ProbeResult
	// Unavailable answers 503 on an accepted connection; ctx bounds it.
	Unavailable func(ctx context.Context, conn net.Conn, retryAfter time.Duration) error
	// ConfigError is why App is not what the configuration says now, until the next reload. It begins with [AcceptedNote].
	ConfigError string
	// Reload reads the app's configuration again. Nil: there is none to read.
	Reload func() (fcgisup.App, error)
	// All tells that the sockets are those of all instances that the app has.
	All bool
	// Output gets each line that a worker writes, "PID: TEXT".
	Output func(in fcgisup.Instance, line string)
	// Denied finds out whether a line of a worker's may be about something that the sandbox of
	// our service forbids. Nil: there is no sandbox.
	Denied func(line string) (fcgisup.Denial, bool)
	// SocketUnit names the unit that makes the socket of an instance, where sockets are inherited.
	SocketUnit func(fcgisup.Instance) string
	// ExitAsleep has Run return when the only instance has gone back to sleep:
	// systemd waits for its next connection.
	ExitAsleep bool
	// Awake has all instances begin awake, whatever their activation: systemd
	// has seen the first request already.
	Awake bool
	Log   *slog.Logger
	// Resume is what a predecessor in this process has left; empty for none.
	Resume Handover
	// RecycleLockPath is the lock file that this supervisor makes, and RecycleLockPaths are those
	// of all supervisors of the app, in the same order for each: they lock the
	// first that exists to recycle one worker at a time. Empty: this one is alone.
	RecycleLockPath  string
	RecycleLockPaths []string
	// PingRecord is the file in which this supervisor notes which programs answer no
	// ping, and PingRecords are those of other instances of the app, which it reads.
	// Empty: a new supervisor tries again.
	PingRecord  string
	PingRecords []string

	// ModuleDir is a directory in which the module for workers.prefork may be written; the
	// workers' user must be able to read there. Empty: one for temporary files is made.
	ModuleDir string
}

// Supervisor runs the instances of one app.
type Supervisor struct {
	opt       Options
	watcher   *listen.Watcher
	instances []*instance
	sockets   []*listen.Socket
	// changed has room for one: one is enough.
	changed chan struct{}
	// reloading lets one reload or restart run at a time.
	reloading sync.Mutex
	// read is the configuration as it was last read.
	read    fcgisup.App
	modules *worker.Modules
}

// New checks that the app can be run at all: its user exists, its environment
// file can be read, its program is there to execute is left to the first spawn.
func New(opt Options) (*Supervisor, error) {
	launch, err := worker.NewLaunch(opt.App, opt.Environ)
	if err != nil {
		before, ok := opt.Resume.launch()
		if !ok {
			return nil, err
		}
		opt.Log.Error("workers are started as before", "error", err)
		launch = before
	}
	w, err := listen.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("cannot wait for connections: %w", err)
	}
	common := newCommon(&opt)
	s := &Supervisor{opt: opt, read: opt.App, watcher: w, changed: make(chan struct{}, 1)}
	groups, shared, output := &scoreboard.Groups{}, &scoreboard.Shared{}, worker.NewOutputShare()
	s.modules = &worker.Modules{Dir: opt.ModuleDir}
	byNumber := func(a, b fcgisup.Instance) int { return cmp.Compare(a.Number, b.Number) }
	for _, in := range slices.SortedFunc(maps.Keys(opt.Sockets), byNumber) {
		socket := opt.Sockets[in]
		h := &realHost{socket: socket, watcher: w, groups: groups, shared: shared, options: opt.App.Socket, siblings: common.siblings}
		h.Starter = &worker.Starter{Socket: socket, Spawner: opt.Spawner, Groups: groups, Conduct: &h.conduct, Output: output, Modules: s.modules, Mark: worker.MarkOf(in)}
		if err := h.reopen(); err != nil {
			opt.Log.Error("cannot set the backlog", "instance", in.String(), "error", err)
		}
		i := newInstance(in, opt.App, launch, h, &s.opt, common)
		if opt.App.Activation == fcgisup.Fleet {
			i.wakeAll = s.wakeAll
		}
		i.onChange, i.configErr = s.reportChange, control.ShownError(opt.ConfigError)
		for _, m := range opt.Resume.Instances {
			if m.Number == in.Number {
				i.restore(m, h)
			}
		}
		i.publish(time.Now())
		s.instances = append(s.instances, i)
		s.sockets = append(s.sockets, socket)
	}
	return s, nil
}

// Run supervises until ctx has ended and every worker is gone.
func (s *Supervisor) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, i := range s.instances {
		running.Go(func() { i.run(ctx) })
	}
	running.Wait()
	s.modules.Remove()
	return s.watcher.Close()
}

// wakeAll is what a fleet does on its first request.
func (s *Supervisor) wakeAll() {
	for _, i := range s.instances {
		go i.post(i.wake)
	}
}

// Settled is closed once every instance has a ready worker, has failed once, or sleeps.
func (s *Supervisor) Settled(ctx context.Context) <-chan struct{} {
	return s.all(ctx, func(i *instance) <-chan struct{} { return i.settled })
}

// Begun is closed once no request waits for Run to do anything at once: workers have
// been started for those that were there. What can be done later is done after it.
func (s *Supervisor) Begun(ctx context.Context) <-chan struct{} {
	return s.all(ctx, func(i *instance) <-chan struct{} { return i.begun })
}

// all is closed once every instance has closed a channel of its own, or has ended.
func (s *Supervisor) all(ctx context.Context, of func(*instance) <-chan struct{}) <-chan struct{} {
	all := make(chan struct{})
	go func() {
		defer close(all)
		for _, i := range s.instances {
			select {
			case <-of(i):
			case <-i.done:
			case <-ctx.Done():
				return
			}
		}
	}()
	return all
}

// Changed gets a value some time after the state of an instance or the number of its workers has changed.
func (s *Supervisor) Changed() <-chan struct{} { return s.changed }

func (s *Supervisor) reportChange() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Alive reports whether every instance's goroutine still answers; it waits for ctx at most.
func (s *Supervisor) Alive(ctx context.Context) bool {
	for _, i := range s.instances {
		if err := i.do(ctx, func(time.Time) {}); err != nil && !errors.Is(err, errStopped) {
			return false
		}
	}
	return true
}

// Kill ends all workers at once; Run returns soon after. For the second SIGTERM.
func (s *Supervisor) Kill() {
	for _, i := range s.instances {
		i.post(i.killAll)
	}
}

// Restart replaces the workers of one instance, 0 for all of them one after the
// other, replacement first. It stops at the first that does not come up.
func (s *Supervisor) Restart(ctx context.Context, number int) error {
	return s.rollEach(ctx, number, func(i *instance, now time.Time, reply chan<- error) {
		i.beginRoll(control.Operator, i.app, i.launch, reply, now)
	})
}

// Scale sets a fixed number of workers for one instance, 0 for all of them, until
// the next reload of the configuration.
func (s *Supervisor) Scale(ctx context.Context, number, workers int) error {
	if workers < 1 || workers > fcgisup.MaxWorkers {
		return fmt.Errorf("cannot run %d workers: between 1 and %d", workers, fcgisup.MaxWorkers)
	}
	return s.rollEach(ctx, number, func(i *instance, now time.Time, reply chan<- error) {
		app := i.app
		app.Workers = fcgisup.Workers{Min: workers, Max: workers, Prefork: app.Workers.Prefork}
		i.configure(app, now)
		reply <- nil
	})
}

// Reload applies the configuration as it is now. Workers are replaced, as by
// Restart, only if what they are started with has changed. A configuration that
// cannot be read changes nothing; the error is kept in the status.
// Note is what of the configuration it does not apply.
func (s *Supervisor) Reload(ctx context.Context) (note string, err error) {
	if s.opt.Reload == nil {
		return "", errors.New("cannot reload: this supervisor was started without a configuration file")
	}
	app, err := s.opt.Reload()
	var launch worker.Launch
	if err == nil {
		launch, err = worker.NewLaunch(app, s.opt.Environ)
	}
	if err != nil {
		s.noteConfig(ctx, err.Error())
		return "", fmt.Errorf("the previous configuration stays: %w", err)
	}
	s.noteConfig(ctx, "")
	if note = s.unapplied(app); note != "" {
		s.opt.Log.Warn("the reload does not apply all of the configuration", "detail", note)
	}
	s.read = app
	return note, s.rollEach(ctx, 0, func(i *instance, now time.Time, reply chan<- error) {
		if i.runsOnly(launch) {
			i.launch = launch
			i.configure(app, now)
			reply <- nil
			return
		}
		i.beginRoll(control.Reload, app, launch, reply, now)
	})
}

func (s *Supervisor) noteConfig(ctx context.Context, text string) {
	for _, i := range s.instances {
		_ = i.do(ctx, func(now time.Time) {
			i.configErr = control.ShownError(text)
			i.publish(now)
		})
	}
}

func (s *Supervisor) rollEach(ctx context.Context, number int, begin func(*instance, time.Time, chan<- error)) error {
	if !s.reloading.TryLock() {
		return ErrBusy
	}
	defer s.reloading.Unlock()
	found := false
	for _, i := range s.instances {
		if number != 0 && i.in.Number != number {
			continue
		}
		found = true
		reply := make(chan error, 1)
		if err := i.do(ctx, func(now time.Time) { begin(i, now, reply) }); err != nil {
			return err
		}
		select {
		case err := <-reply:
			if err != nil {
				return err
			}
		case <-i.done:
			return errStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !found {
		return fmt.Errorf("no instance %d of app %s is run here", number, s.opt.App.Name)
	}
	return nil
}
