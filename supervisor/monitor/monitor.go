package monitor

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor/history"
)

const (
	// roundTimeout is how long a round waits for answers before it reports
	// without them. Later ones are reported when they come.
	roundTimeout = time.Second
	// firstTimeout is that of the first round: what it does not wait for would
	// look like a gap in the history.
	firstTimeout = 10 * time.Second
	// latePause gathers what comes after the round's report; reports of thousands
	// of instances take their time, and get at most a tenth of ours.
	latePause  = 250 * time.Millisecond
	reportRest = 10
	// unitsTimeout bounds the wait for systemd.
	unitsTimeout = 10 * time.Second
)

// Units is the host's systemd. Its methods may be called at the same time.
type Units interface {
	// List returns the units of all instances that are loaded, by name, in one call.
	List(ctx context.Context) (map[string]Unit, error)
	// Result is why a unit has failed.
	Result(ctx context.Context, unit string) (string, error)
	// Service is what is to know of one service before it is probed.
	Service(ctx context.Context, unit string) (Service, error)
	// TryRestart restarts a service that runs and waits until that is done.
	TryRestart(ctx context.Context, unit string) error
}

// Service is more of a service than [Unit] has.
type Service struct {
	Unit
	// Began is when its main process did.
	Began time.Time
	// PID is that process.
	PID int
	// Restarts counts how often systemd has restarted it by itself.
	Restarts uint32
}

// Traffic is what the kernel says of a listener.
type Traffic struct {
	// At is when it was looked, or before.
	At    time.Time
	Queue int
	// Serving are the accepted connections whose client is still there.
	Serving []uint64
	// Orphaned counts those whose client has gone.
	Orphaned int
}

// Options are what a Monitor needs of the rest of the world.
type Options struct {
	Host, Version string
	Apps          []fcgisup.App
	// ConfigError is why there are none, if that is so, or why they are those of the last accepted configuration.
	ConfigError string
	Interval    time.Duration
	// Sockets lists the control sockets of the host.
	Sockets func() ([]string, error)
	// SocketOf is where the supervisor of a single instance has its own.
	SocketOf func(in fcgisup.Instance) string
	// Status asks a supervisor, and returns what is to be believed of its answer
	// with these apps configured; ctx limits that.
	Status func(ctx context.Context, socket string, apps []fcgisup.App) ([]control.Status, error)
	// Restart has a supervisor restart one of its instances, and waits for the outcome.
	Restart func(ctx context.Context, socket string, number int) error
	// Units is nil where systemd does not run.
	Units Units
	// UnitNames are an instance's.
	UnitNames func(in fcgisup.Instance) (socket, service string)
	// Probe asks a plain instance, Traffic looks at its socket and main process:
	// again, which is after the call, or recently.
	Probe   func(ctx context.Context, app fcgisup.App, in fcgisup.Instance) control.ProbeResult
	Traffic func(a fcgisup.Address, pid int, anew bool) (Traffic, error)
	// Secret reports whether readers of the reports show a token: they may then see what
	// workers print. Nil: they need none.
	Secret func() bool
	// Evidence is logged of a process before it is restarted.
	Evidence func(pid int) any
	History  *history.Log
	// HistoryFile is where History is saved; empty: nowhere.
	HistoryFile string
	Log         *slog.Logger
}

// Monitor looks at all instances of a host, again and again.
type Monitor struct {
	opt    Options
	feed   Feed
	counts counters

	// posts are what the loop is to do next.
	posts chan func()
	done  chan struct{} // closed when the loop has ended
	// asking has room for those that may ask supervisors, systemd and plain
	// instances at a time.
	asking lanes

	// What follows is the loop's alone.
	apps        []fcgisup.App
	configError string
	accepted    *Accepted // nil once the configuration was read
	page        *Page     // which never changes: another replaces it
	controls    map[string]*controlSocket
	units       unitsView
	plains      map[fcgisup.Instance]*plain
	pings       map[string]*plainPing // by program
	restarting  map[fcgisup.Instance]restarting
	missing     map[fcgisup.Instance]time.Time // since when a socket's file
	silent      map[fcgisup.Instance]time.Time // since when a service runs whose supervisor says nothing
	strange     map[fcgisup.Instance]time.Time // when an unconfigured one was last seen, of those with a history
	before, now map[fcgisup.Instance]Health    // of the last report, and of the one being made
	pending     int                            // answers that the round still waits for
	reportAt    time.Time                      // when to report; zero: nothing new
	reportTook  time.Duration
	saves       saves
}

// counters are the monitor's own numbers, for metrics.
type counters struct {
	rounds, unanswered, unitErrors, saveErrors atomic.Uint64
}

// New is a monitor that has not looked yet.
func New(opt Options) *Monitor {
	m := &Monitor{
		opt: opt, apps: opt.Apps, configError: opt.ConfigError,
		posts: make(chan func()), done: make(chan struct{}), asking: newLanes(),
		controls: map[string]*controlSocket{}, plains: map[fcgisup.Instance]*plain{}, pings: map[string]*plainPing{},
		restarting: map[fcgisup.Instance]restarting{}, missing: map[fcgisup.Instance]time.Time{}, silent: map[fcgisup.Instance]time.Time{}, strange: map[fcgisup.Instance]time.Time{}, before: map[fcgisup.Instance]Health{},
	}
	if opt.ConfigError != "" && len(opt.Apps) > 0 {
		m.accepted = &Accepted{Error: opt.ConfigError, Since: time.Now()}
	}
	return m
}

// Feed is where the reports are.
func (m *Monitor) Feed() *Feed { return &m.feed }

// Run looks until ctx ends, saves the history and returns.
func (m *Monitor) Run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer close(m.done)
	tick := time.NewTicker(m.opt.Interval)
	defer tick.Stop()
	report := time.NewTimer(0)
	defer report.Stop()
	m.round(ctx)
	for {
		if !m.reportAt.IsZero() {
			report.Reset(time.Until(m.reportAt))
		}
		select {
		case do := <-m.posts:
			do()
		case <-tick.C:
			m.round(ctx)
		case <-report.C:
			if !m.reportAt.IsZero() && !time.Now().Before(m.reportAt) {
				m.report()
			}
		case <-ctx.Done():
			m.saveLast()
			return
		}
	}
}

// post has the loop do something; after the loop's end nothing does.
func (m *Monitor) post(do func()) {
	select {
	case m.posts <- do:
	case <-m.done:
	}
}

// Alive reports whether the loop takes orders before ctx ends.
func (m *Monitor) Alive(ctx context.Context) bool {
	select {
	case m.posts <- func() {}:
		return true
	case <-ctx.Done():
	case <-m.done:
	}
	return false
}

// Configure puts other apps in force; it returns when that is so.
func (m *Monitor) Configure(apps []fcgisup.App) {
	m.post(func() {
		m.apps, m.configError, m.accepted = apps, "", nil
		m.forget()
		m.due(0)
	})
}

// Misconfigured tells readers of reports why the last reading of the
// configuration changed nothing.
func (m *Monitor) Misconfigured(why string) {
	m.post(func() {
		m.configError = why
		m.again()
	})
}

// SetPage tells readers of reports whether the page can be reached.
func (m *Monitor) SetPage(ctx context.Context, p Page) {
	set := func() {
		m.page = &p
		m.again()
	}
	select {
	case m.posts <- set:
	case <-m.done:
	case <-ctx.Done():
	}
}

// round begins a look at everything; what the last one still waits for is not asked again.
func (m *Monitor) round(ctx context.Context) {
	timeout := roundTimeout
	if m.counts.rounds.Add(1) == 1 {
		timeout = firstTimeout
	}
	m.lookAtUnits(ctx)
	m.lookAtControls(ctx)
	m.due(timeout)
	if m.pending == 0 {
		m.due(0)
	}
}

// await counts an answer that the round waits for.
func (m *Monitor) await() { m.pending++ }

// answered counts one that has come.
func (m *Monitor) answered() {
	m.pending--
	if report, _ := m.feed.Latest(); m.pending == 0 {
		m.due(0)
	} else if report != nil {
		m.due(max(latePause, reportRest*m.reportTook))
	}
}

// again replaces the newest report at once. Before the first one nothing is known of the instances: that waits for answers.
func (m *Monitor) again() {
	if report, _ := m.feed.Latest(); report != nil {
		m.due(0)
	}
}

// due has a report made after at most d.
func (m *Monitor) due(d time.Duration) {
	at := time.Now().Add(d)
	if m.reportAt.IsZero() || at.Before(m.reportAt) {
		m.reportAt = at
	}
}
