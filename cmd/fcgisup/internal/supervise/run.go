package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/service"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/capacity"
	"github.com/fcgisup/fcgisup/supervisor/worker"
	"github.com/fcgisup/fcgisup/units"
)

// handledSignals are the signals that run obeys.
var handledSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2}

// Runner is one "fcgisup run".
type Runner struct {
	*term.Env
	source  runSource
	http    string
	params  map[string]string
	metrics string
	control string
	debug   bool

	log *slog.Logger
	// begun is set once it has started, or if no service manager would start another.
	begun bool
	// program is where this program was started from; a later one is there, too.
	program string
	signals chan os.Signal
	// draining is set by the first signal to stop.
	draining atomic.Bool
	// mu is for servers: what listens beside the instances.
	mu      sync.Mutex
	servers []httpServer
}

// Define adds the flags of "fcgisup run".
func (r *Runner) Define(f *pflag.FlagSet) {
	r.source.define(f)
	f.StringVar(&r.http, "http", "", "`ADDRESS` of an HTTP front, for machines without nginx")
	f.StringToStringVar(&r.params, "param", nil, "additional CGI parameter `KEY=VALUE`, with --http; repeatable")
	f.StringVar(&r.metrics, "metrics", "", "`ADDRESS` of /metrics, /livez, /readyz and /startupz")
	f.StringVar(&r.control, "control", "", "`PATH` of the control socket (default $RUNTIME_DIRECTORY/control.sock)")
	f.BoolVar(&r.debug, "debug", false, "log messages for debugging")
}

// Run supervises on another goroutine: workers are forked by this one, which is
// the main thread's (see main), so that they survive an execve(2).
func (r *Runner) Run(ctx context.Context, command []string, changed func(flag string) bool) error {
	r.source.command, r.source.changed = command, changed
	if r.http != "" || r.metrics != "" {
		for flag, address := range map[string]string{"http": r.http, "metrics": r.metrics} {
			if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
				return term.Usage(fmt.Errorf("--%s: %q is not HOST:PORT", flag, address))
			}
		}
	}
	if len(r.params) > 0 && r.http == "" {
		return term.Usage(errors.New("--param needs --http; nginx.params of the configuration is for nginx"))
	}
	r.signals = make(chan os.Signal, 16)
	signal.Notify(r.signals, handledSignals...)
	// A closed standard error must not be the end, nor may workers inherit an
	// ignored signal.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	var err error
	if r.program, err = os.Executable(); err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	spawner := worker.PrepareSpawner()
	ended := make(chan error, 1)
	go func() {
		ended <- r.supervise(ctx, spawner)
		spawner.Close()
	}()
	spawner.Loop()
	return <-ended
}

func (r *Runner) supervise(ctx context.Context, spawner *worker.Spawner) error {
	errs := service.NewAsyncWriter(r.Err)
	defer errs.Close()
	r.log = service.NewLogger(errs, r.Getenv, r.debug)
	h, err := takeHandover()
	r.begun = h.only || h.resumes() // the first is not a run, and the workers of the second end with it
	if err != nil {
		return err
	}
	app, instances, note, err := r.load(h)
	if err != nil {
		return err
	}
	if h.only {
		return r.couldTakeOver(app)
	}
	// Under systemd the requests that wait are answered 503 until the program is there.
	if r.source.command != nil && !h.resumes() && r.Getenv("LISTEN_FDS") == "" {
		if err := deploy.Runnable(app.Command[0]); err != nil {
			return err
		}
	}
	if h.resumes() {
		instances = h.instances(app)
	}
	sockets, inherited, err := r.sockets(app, instances, h)
	if err != nil {
		return err
	}
	defer CloseSockets(sockets, r.log)
	opt := r.options(app, instances, inherited, errs)
	opt.Sockets, opt.Spawner, opt.ConfigError, opt.Resume = sockets, spawner, note, h.Handover
	if h.Stopping {
		r.signals <- syscall.SIGTERM
	}
	for {
		next, stopping, err := r.once(ctx, opt, instances)
		if err != nil || next == nil {
			return err
		}
		// What only this program can lose is lost here, so this comes last.
		opt.Resume = *next
		errs.Flush()
		r.log.Error("cannot hand over to the new program, continuing with this one", "error", r.handOver(spawner, *next, stopping, inherited))
		next.CloseOnExec()
		if stopping {
			r.signals <- syscall.SIGTERM
		}
	}
}

// load finds the app and its instances: in the configuration, in what a predecessor handed over if that is invalid now, or in
// the copy that was last accepted; then note says what is wrong.
func (r *Runner) load(h handover) (app fcgisup.App, instances []fcgisup.Instance, note string, err error) {
	app, instances, err = r.source.load(r.Env)
	if err != nil && h.resumes() {
		r.log.Error("configuration invalid, using the last accepted one", "error", err)
		app, instances, err = r.source.reuse(r.Env, h.Config)
	}
	if err != nil && !h.only && !h.resumes() && r.source.refused != nil {
		if other, those, why, missing := r.source.loadAccepted(r.Env); missing == nil {
			r.log.Warn(why, "hint", "fix the configuration, then run fcgisup apply")
			return other, those, why, nil
		}
	}
	return app, instances, "", err
}

// options are those that follow from the app and where it runs.
func (r *Runner) options(app fcgisup.App, instances []fcgisup.Instance, inherited bool, out *service.AsyncWriter) supervisor.Options {
	turn, turns := r.turnPaths(app, instances)
	pings, otherPings := r.pingRecords(app, instances)
	opt := supervisor.Options{
		App:              app,
		Environ:          os.Environ(),
		Probe:            peer.Probe,
		Unavailable:      fcgi.Unavailable,
		SocketUnit:       func(in fcgisup.Instance) string { return units.Names(in.App).Socket(in.Number) },
		Reload:           r.source.reloader(),
		RecycleLockPath:  turn,
		RecycleLockPaths: turns,
		PingRecord:       pings,
		PingRecords:      otherPings,
		ModuleDir:        r.moduleDir(app, instances),
		All:              !r.source.changed("instance"),
		// Systemd holds the socket: it has seen the first request of a fleet, and
		// it waits for the next one when we have gone to sleep.
		Awake:      inherited && app.Activation == fcgisup.Fleet,
		ExitAsleep: inherited && len(instances) == 1,
		Output: func(in fcgisup.Instance, line string) {
			out.Worker(fmt.Appendf(nil, "%s %s\n", in, line))
		},
		Log: r.log,
	}
	if inherited {
		opt.Denied = app.Denied
	}
	return opt
}

// once supervises until the end, or until the successor that it returns a state for.
func (r *Runner) once(ctx context.Context, opt supervisor.Options, instances []fcgisup.Instance) (next *supervisor.Handover, stopping bool, err error) {
	sup, err := supervisor.New(opt)
	if err != nil {
		return nil, false, err
	}
	serving, enough := context.WithCancel(ctx)
	defer r.closeServers()
	defer enough()
	metrics := metricsHandler(sup, r.Version)
	if err := r.serve(serving, sup, opt, instances, metrics); err != nil {
		if len(opt.Resume.Instances) == 0 {
			return nil, false, err
		}
		r.log.Error("cannot open a listener, continuing without it", "error", err) // the workers matter more
	}
	r.begun = true
	if w := opt.App.Workers; w.Auto {
		have := capacity.Read()
		r.log.Info("chose the number of workers", "min", w.Min, "max", w.Max, "cpus", have.CPUs, "quota", have.Quota, "per_cpu", w.PerCPU,
			"memory_max", have.Memory, "max_memory", opt.App.Limits.MaxMemory)
	}
	r.log.Info("fcgisup runs", "version", r.Version(), "app", opt.App.Name, "instances", len(instances),
		"command", opt.App.Command, "resumed", len(opt.Resume.Instances) > 0)
	return r.untilStopped(ctx, sup, opt, func() { r.serveControl(serving, sup, opt.App, instances, metrics) })
}

// firstWorkerTimeout bounds the wait for the first workers: a program on a disk that does not
// answer must not keep those from asking who want to know what is wrong.
const firstWorkerTimeout = time.Second

// untilStopped runs the supervisor, and obeys signals and systemd. A request waits for the
// first worker and for nothing else: what only others want comes when that has been started,
// so for firstWorkerTimeout at most there is no control socket. A signal does not wait for it.
func (r *Runner) untilStopped(ctx context.Context, sup *supervisor.Supervisor, opt supervisor.Options, later func()) (next *supervisor.Handover, stopping bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	n := newNotifier(sup, r.log, func() { r.source.keepAccepted(r.Env, r.log) })
	o := &signalHandler{n: n, stop: stop, kill: sup.Kill, draining: func() { r.draining.Store(true) }, drainDelay: r.source.drainDelay, replaced: r.programReplaced, freeze: func() *supervisor.Handover { return r.freeze(ctx, sup, opt) }}
	ended := make(chan error, 1)
	go func() { ended <- sup.Run(ctx) }()
	early := r.interrupted(sup.Begun(ctx))
	later()
	go n.run(ctx)
	if len(opt.Resume.Instances) > 0 && opt.Reload != nil {
		n.reload() // the file may have changed with the program
	}
	if early != nil {
		o.handle(early)
	}
	for {
		select {
		case err := <-ended:
			if o.frozen != nil {
				if h := <-o.frozen; h != nil {
					return h, o.stopping, nil
				}
			}
			r.log.Info("fcgisup ends")
			return nil, o.stopping, err
		case h := <-o.frozen:
			if h != nil {
				return h, o.stopping, nil
			}
			if o.frozen = nil; o.reload && !o.stopping {
				n.reload() // the new program does not work, but the configuration may
			}
		case sig := <-r.signals:
			o.handle(sig)
		}
	}
}

// interrupted waits for the first worker, and returns the signal that came before.
func (r *Runner) interrupted(begun <-chan struct{}) os.Signal {
	select {
	case <-begun:
	case <-time.After(firstWorkerTimeout):
	case sig := <-r.signals:
		return sig
	}
	return nil
}

// metricsHandler is made when it is first asked.
func metricsHandler(sup *supervisor.Supervisor, version func() string) http.Handler {
	handler := sync.OnceValue(func() http.Handler {
		reg := prometheus.NewRegistry()
		reg.MustRegister(sup.Collector(), service.BuildInfo(version()))
		return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler().ServeHTTP(w, r) })
}
