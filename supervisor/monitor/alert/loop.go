package alert

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
)

// loop is the goroutine that owns the state.
type loop struct {
	*Alerter
	*state
	alerts fcgisup.Alerts
	// unread tells that alerts are not known yet: news would have no receiver.
	unread bool
	// saved is what of the machine is on disk, by its fingerprint, and since when.
	saved   string
	savedAt time.Time
	// unsaved tells that the last save failed; why is said once.
	unsaved bool
	// changed tells that the queues differ from those on disk.
	changed bool
	running int
}

func (l *loop) rules() rules { return rules{hold: l.alerts.For, repeat: l.alerts.Repeat} }

func (l *loop) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer close(l.closed)
	defer l.store.close()
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.begin(ctx, time.Now())
		l.publish()
		timer.Reset(l.wait(time.Now()))
		select {
		case <-l.box.wake:
			l.observe()
		case <-timer.C:
			l.turn(time.Now())
		case alerts := <-l.configs:
			l.configure(alerts)
			l.turn(time.Now())
		case r := <-l.results:
			l.finished(r, time.Now())
		case until := <-l.closing:
			l.finish(ctx, until, cancel)
			return
		}
	}
}

// idle is how long nothing need happen.
const idle = time.Hour

// wait is until the next thing that has a time.
func (l *loop) wait(now time.Time) time.Duration {
	next := l.Machine.next(l.rules(), now)
	for _, t := range l.alerts.To {
		if at := l.Queues[t.Name].next(); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		return idle
	}
	return min(max(0, next.Sub(now)), idle)
}

func (l *loop) observe() {
	l.box.mu.Lock()
	seen, now := l.box.seen, l.box.at
	l.box.seen = nil
	l.box.mu.Unlock()
	if seen == nil || l.unread {
		return
	}
	l.Machine.observe(*seen, now)
	l.turn(now)
}

// turn passes on what people should hear. It is on disk before anything is sent.
func (l *loop) turn(now time.Time) {
	for _, n := range l.Machine.tell(l.rules(), now) {
		l.Count++
		n.ID = newID(n.Host, now, l.Count)
		level := slog.LevelWarn
		if n.Event == Up {
			level = slog.LevelInfo
		}
		l.log.Log(context.Background(), level, "alert", "event", string(n.Event), "title", n.Title, "id", n.ID)
		for _, t := range l.alerts.To {
			l.push(t.Name, n, now)
		}
	}
	l.save(now)
}

func (l *loop) push(target string, n Notification, now time.Time) {
	if dropped := l.Queues[target].push(n, now); dropped != nil {
		l.log.Error("alert dropped, too many wait", "target", target, "title", dropped.Title, "id", dropped.ID)
	}
	l.changed = true
}

// configure makes the queues those of the targets.
func (l *loop) configure(alerts fcgisup.Alerts) {
	l.alerts, l.unread = alerts, false
	known := map[string]bool{}
	for _, t := range alerts.To {
		known[t.Name] = true
		if l.Queues[t.Name] == nil {
			l.Queues[t.Name] = newQueue()
		}
	}
	for name, q := range l.Queues {
		if known[name] {
			continue
		}
		if n := len(q.Items); n > 0 {
			l.log.Warn("alerts dropped, the target is no longer configured", "target", name, "alerts", n)
		}
		delete(l.Queues, name)
		l.changed = true
	}
}

// begin starts the attempts that are due.
func (l *loop) begin(ctx context.Context, now time.Time) {
	for _, t := range l.alerts.To {
		q := l.Queues[t.Name]
		n, due := q.take(now)
		if !due {
			continue
		}
		l.running++
		all := l.alerts.To
		go func() { l.results <- outcome{t.Name, q, l.deliver(ctx, all, t, n)} }()
	}
}

// finished takes in how an attempt ended. Its target may have been removed meanwhile.
func (l *loop) finished(r outcome, now time.Time) {
	l.running--
	q := r.queue
	if l.Queues[r.target] != q {
		return
	}
	why := ""
	if r.err != nil {
		why = r.err.Error()
	}
	n := q.Items[0].Notification
	switch q.done(why, now) {
	case Delivered:
		if q.failing {
			l.log.Info("alerts are delivered again", "target", r.target)
		}
		q.failing = false
	case Failed:
		if !q.failing {
			l.log.Warn("alert not delivered, trying again", "target", r.target, "error", why, "id", n.ID)
		}
		q.failing = true
	case Expired:
		l.log.Error("alert given up", "target", r.target, "error", why, "title", n.Title, "id", n.ID)
	case Dropped:
	}
	l.changed = true
	l.save(now)
}

// finish tries what has not been tried, as long as it may, and saves the rest.
func (l *loop) finish(ctx, until context.Context, cancel context.CancelFunc) {
	l.observe()
	for l.begin(ctx, time.Now()); l.running > 0; l.begin(ctx, time.Now()) {
		select {
		case r := <-l.results:
			l.finished(r, time.Now())
			continue
		case <-until.Done():
		}
		cancel()
		for ; l.running > 0; l.running-- {
			l.interrupted(<-l.results)
		}
		break
	}
	l.saved, l.changed = "", true
	l.save(time.Now())
	l.publish()
}

// interrupted takes in an attempt that Close cut short: if it got through anyway, it counts.
func (l *loop) interrupted(r outcome) {
	if r.err == nil {
		r.queue.done("", time.Now())
	} else {
		r.queue.give()
	}
}

// progress is how old the state on disk may be while a trouble is pending: so
// much of alerts.for is lost if the monitor is killed.
func (r rules) progress() time.Duration {
	return min(max(r.hold/10, 5*time.Second), time.Minute)
}

// pending reports whether anything is on its way to be told.
func (m *machine) pending() bool {
	for _, t := range m.Troubles {
		if !t.firing() {
			return true
		}
	}
	return false
}

func (l *loop) save(now time.Time) {
	print := l.Machine.fingerprint()
	if stale := l.Machine.pending() && now.Sub(l.savedAt).Abs() >= l.rules().progress(); print == l.saved && !l.changed && !stale {
		return
	}
	l.failed = l.store.save(l.state)
	if l.failed == nil {
		l.saved, l.savedAt, l.changed = print, now, false
	}
	if failed := l.failed != nil; failed != l.unsaved {
		l.unsaved = failed
		if failed {
			l.log.Error("alerts would not outlive the monitor", "error", l.failed)
		} else {
			l.log.Info("alerts are saved again")
		}
	}
}

// fingerprint changes when the machine knows something that it must not forget.
func (m *machine) fingerprint() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.Troubles)) {
		t := m.Troubles[name]
		fmt.Fprintln(&out, name, t.Told.UnixNano(), t.Well.IsZero(), t.Away.IsZero())
	}
	return out.String()
}
