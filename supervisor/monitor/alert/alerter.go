package alert

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// Options are what an [Alerter] works with.
type Options struct {
	Alerts fcgisup.Alerts
	// NoConfig means that no configuration could be read, so the receivers are not known: until Configure, waiting
	// messages are kept and reports are ignored.
	NoConfig bool
	// Dir is the state directory, created if missing; empty: nothing outlives the process.
	Dir string
	Log *slog.Logger
	// Deliver sends a message to one of the receivers, once: [Sender.Deliver]. It
	// is called in its own goroutine, and must end with ctx.
	Deliver func(ctx context.Context, all []fcgisup.Receiver, to fcgisup.Receiver, n Notification) error
}

// Alerter turns reports into messages and delivers them. One goroutine owns its
// state; each delivery has its own.
type Alerter struct {
	log     *slog.Logger
	deliver func(context.Context, []fcgisup.Receiver, fcgisup.Receiver, Notification) error
	store   *store
	inbox   inbox
	configs chan fcgisup.Alerts
	results chan outcome
	closing chan context.Context
	closed  chan struct{}
	failed  error // of the last save, once closed is
	view    atomic.Pointer[view]

	once sync.Once // Close
}

// inbox holds the newest report that the loop has not read.
type inbox struct {
	mu     sync.Mutex // guards all but wake
	newest *snapshot
	at     time.Time
	wake   chan struct{}
}

// outcome is the result of a delivery attempt.
type outcome struct {
	receiver string
	queue    *queue
	err      error
}

// New starts an alerter with the saved state of the previous monitor. It fails
// only if the directory cannot be locked; a state that cannot be read is logged and moved aside.
func New(o Options) (*Alerter, error) {
	st, err := openStore(o.Dir)
	if err != nil {
		return nil, err
	}
	a := &Alerter{
		log:     o.Log,
		deliver: o.Deliver,
		store:   st,
		inbox:   inbox{wake: make(chan struct{}, 1)},
		configs: make(chan fcgisup.Alerts),
		results: make(chan outcome),
		closing: make(chan context.Context, 1),
		closed:  make(chan struct{}),
	}
	kept, err := st.load()
	if err != nil {
		o.Log.Error("cannot read saved alert state, starting empty", "error", err)
	}
	l := &loop{Alerter: a, state: kept, noConfig: o.NoConfig}
	if !o.NoConfig {
		l.configure(o.Alerts)
	}
	l.publish()
	go l.run()
	return a, nil
}

// Observe passes a report to the loop. It never blocks and keeps no reference to r; if several
// arrive while the disk is slow, the newest counts. The report of a monitor that found no
// configuration is ignored: a missing instance in it was not stopped.
func (a *Alerter) Observe(r *monitor.Report, now time.Time) {
	s := takeSnapshot(r)
	if r.ConfigError != "" && s.empty() {
		return
	}
	a.inbox.mu.Lock()
	a.inbox.newest, a.inbox.at = &s, now
	a.inbox.mu.Unlock()
	select {
	case a.inbox.wake <- struct{}{}:
	default:
	}
}

// Configure changes the rules and receivers. Messages for a removed receiver are dropped.
func (a *Alerter) Configure(alerts fcgisup.Alerts) {
	select {
	case a.configs <- alerts:
	case <-a.closed:
	}
}

// Close attempts the messages that have not been attempted until ctx ends, saves the rest for the
// next monitor, and returns the error of that.
func (a *Alerter) Close(ctx context.Context) error {
	a.once.Do(func() { a.closing <- ctx })
	<-a.closed
	return a.failed
}

// newID returns a unique ID, even if the count could not be saved.
func newID(host string, now time.Time, count uint64) string {
	return fmt.Sprintf("%s-%s-%d", host, strconv.FormatInt(now.UnixMilli(), 36), count)
}
