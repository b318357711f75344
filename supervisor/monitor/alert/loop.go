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
	// noConfig means that alerts are not known yet: a message would have no receiver.
	noConfig bool
	// saved is the fingerprint of the machine on disk, savedAt when it was written.
	saved   string
	savedAt time.Time
	// unsaved means that the last save failed; the reason is logged once.
	unsaved bool
	// changed means that the queues differ from those on disk.
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
		case <-l.inbox.wake:
			l.observe()
		case <-timer.C:
			l.evaluate(time.Now())
		case alerts := <-l.configs:
			l.configure(alerts)
			l.evaluate(time.Now())
		case r := <-l.results:
			l.recordOutcome(r, time.Now())
		case until := <-l.closing:
			l.drain(ctx, until, cancel)
			return
		}
	}
}

// maxWait bounds the loop's timer.
const maxWait = time.Hour

// wait returns the time until the next timed event.
func (l *loop) wait(now time.Time) time.Duration {
	next := l.Machine.next(l.rules(), now)
	for _, t := range l.alerts.To {
		if at := l.Queues[t.Name].next(); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		return maxWait
	}
	return min(max(0, next.Sub(now)), maxWait)
}

func (l *loop) observe() {
	l.inbox.mu.Lock()
	newest, now := l.inbox.newest, l.inbox.at
	l.inbox.newest = nil
	l.inbox.mu.Unlock()
	if newest == nil || l.noConfig {
		return
	}
	l.Machine.observe(*newest, now)
	l.evaluate(now)
}

// evaluate queues the messages that are due. They are on disk before any is sent.
func (l *loop) evaluate(now time.Time) {
	for _, n := range l.Machine.notifications(l.rules(), now) {
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

func (l *loop) push(receiver string, n Notification, now time.Time) {
	if dropped := l.Queues[receiver].push(n, now); dropped != nil {
		l.log.Error("alert dropped, too many wait", "receiver", receiver, "title", dropped.Title, "id", dropped.ID)
	}
	l.changed = true
}

// configure adds and removes queues so that each receiver has one.
func (l *loop) configure(alerts fcgisup.Alerts) {
	l.alerts, l.noConfig = alerts, false
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
			l.log.Warn("alerts dropped, the receiver is no longer configured", "receiver", name, "alerts", n)
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

// recordOutcome records the result of an attempt. Its receiver may have been removed meanwhile.
func (l *loop) recordOutcome(r outcome, now time.Time) {
	l.running--
	q := r.queue
	if l.Queues[r.receiver] != q {
		return
	}
	why := ""
	if r.err != nil {
		why = r.err.Error()
	}
	n := q.Items[0].Notification
	switch q.finish(why, now) {
	case Delivered:
		if q.failing {
			l.log.Info("alerts are delivered again", "receiver", r.receiver)
		}
		q.failing = false
	case Failed:
		if !q.failing {
			l.log.Warn("alert not delivered, trying again", "receiver", r.receiver, "error", why, "id", n.ID)
		}
		q.failing = true
	case Expired:
		l.log.Error("alert given up", "receiver", r.receiver, "error", why, "title", n.Title, "id", n.ID)
	case Dropped:
	}
	l.changed = true
	l.save(now)
}

// drain attempts what has not been attempted until the context until ends, and saves the rest.
func (l *loop) drain(ctx, until context.Context, cancel context.CancelFunc) {
	l.observe()
	for l.begin(ctx, time.Now()); l.running > 0; l.begin(ctx, time.Now()) {
		select {
		case r := <-l.results:
			l.recordOutcome(r, time.Now())
			continue
		case <-until.Done():
		}
		cancel()
		for ; l.running > 0; l.running-- {
			l.recordInterrupted(<-l.results)
		}
		break
	}
	l.saved, l.changed = "", true
	l.save(time.Now())
	l.publish()
}

// recordInterrupted records an attempt that Close cancelled: a success still counts.
func (l *loop) recordInterrupted(r outcome) {
	if r.err == nil {
		r.queue.finish("", time.Now())
	} else {
		r.queue.release()
	}
}

// saveInterval bounds the age of the state on disk while an incident is pending: a
// killed monitor loses at most that much of alerts.for.
func (r rules) saveInterval() time.Duration {
	return min(max(r.hold/10, 5*time.Second), time.Minute)
}

// hasPending reports whether an incident has no message yet.
func (m *machine) hasPending() bool {
	for _, t := range m.Incidents {
		if !t.firing() {
			return true
		}
	}
	return false
}

func (l *loop) save(now time.Time) {
	print := l.Machine.fingerprint()
	if stale := l.Machine.hasPending() && now.Sub(l.savedAt).Abs() >= l.rules().saveInterval(); print == l.saved && !l.changed && !stale {
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

// fingerprint changes with what the machine must not forget.
func (m *machine) fingerprint() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.Incidents)) {
		t := m.Incidents[name]
		fmt.Fprintln(&out, name, t.NotifiedAt.UnixNano(), t.RecoveredAt.IsZero(), t.StoppedAt.IsZero())
	}
	return out.String()
}
