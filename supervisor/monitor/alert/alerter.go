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
	// Unread tells that there is no configuration, so that Alerts says nothing of
	// who is to be told: until Configure, what waits is kept and no report is looked at.
	Unread bool
	// Dir is the state directory, made if missing; empty: nothing outlives the process.
	Dir string
	Log *slog.Logger
	// Deliver sends a message to one of the targets, once: [Courier.Deliver]. It
	// is called in a goroutine of its own, and must heed ctx.
	Deliver func(ctx context.Context, all []fcgisup.Target, to fcgisup.Target, n Notification) error
}

// Alerter tells people what reports mean to them. One goroutine owns all it
// knows; deliveries have theirs.
type Alerter struct {
	log     *slog.Logger
	deliver func(context.Context, []fcgisup.Target, fcgisup.Target, Notification) error
	store   *store
	box     mailbox
	configs chan fcgisup.Alerts
	results chan outcome
	closing chan context.Context
	closed  chan struct{}
	failed  error // of the last save, once closed is
	view    atomic.Pointer[view]

	once sync.Once // Close
}

// mailbox holds the newest report that has not been looked at.
type mailbox struct {
	mu   sync.Mutex // what follows but wake
	seen *sight
	at   time.Time
	wake chan struct{}
}

// outcome is how an attempt ended.
type outcome struct {
	target string
	queue  *queue
	err    error
}

// New begins to tell people, with what the last monitor knew and had not
// delivered. It fails only if the directory cannot be had; a state that cannot be
// read is logged and put aside.
func New(o Options) (*Alerter, error) {
	st, err := openStore(o.Dir)
	if err != nil {
		return nil, err
	}
	a := &Alerter{
		log:     o.Log,
		deliver: o.Deliver,
		store:   st,
		box:     mailbox{wake: make(chan struct{}, 1)},
		configs: make(chan fcgisup.Alerts),
		results: make(chan outcome),
		closing: make(chan context.Context, 1),
		closed:  make(chan struct{}),
	}
	kept, err := st.load()
	if err != nil {
		o.Log.Error("cannot read saved alert state, starting empty", "error", err)
	}
	l := &loop{Alerter: a, state: kept, unread: o.Unread}
	if !o.Unread {
		l.configure(o.Alerts)
	}
	l.publish()
	go l.run()
	return a, nil
}

// Observe takes in a report. It never blocks and keeps nothing of r; if several
// come while the disk is slow, the newest counts. One of a monitor that found no
// configuration is passed over: it was not stopped by what it does not know.
func (a *Alerter) Observe(r *monitor.Report, now time.Time) {
	s := look(r)
	if r.ConfigError != "" && s.empty() {
		return
	}
	a.box.mu.Lock()
	a.box.seen, a.box.at = &s, now
	a.box.mu.Unlock()
	select {
	case a.box.wake <- struct{}{}:
	default:
	}
}

// Configure changes the rules and targets. What waits for a target that is gone is dropped.
func (a *Alerter) Configure(alerts fcgisup.Alerts) {
	select {
	case a.configs <- alerts:
	case <-a.closed:
	}
}

// Close tries what has not been tried yet until ctx ends, saves the rest for the
// next monitor, and tells if that failed.
func (a *Alerter) Close(ctx context.Context) error {
	a.once.Do(func() { a.closing <- ctx })
	<-a.closed
	return a.failed
}

// newID is one that no other message has, even if the count could not be saved.
func newID(host string, now time.Time, count uint64) string {
	return fmt.Sprintf("%s-%s-%d", host, strconv.FormatInt(now.UnixMilli(), 36), count)
}
