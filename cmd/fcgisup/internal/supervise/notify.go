package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/service"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// notifier tells systemd how we are, sd_notify(3). Without systemd it only reloads.
type notifier struct {
	*service.Notifier
	log *slog.Logger
	sup *supervisor.Supervisor

	// working is called again and again while a worker is ready, not before the beginning is over.
	working func()

	// reloads has room for one that waits.
	reloads chan struct{}

	mu     sync.Mutex // what follows
	status string
	ended  bool
}

func newNotifier(sup *supervisor.Supervisor, log *slog.Logger, working func()) *notifier {
	return &notifier{Notifier: service.NewNotifier(log), log: log, sup: sup, working: working, reloads: make(chan struct{}, 1)}
}

// run says READY once the beginning is over, then STATUS when it changes, and
// WATCHDOG while every instance's loop takes orders.
func (n *notifier) run(ctx context.Context) {
	go n.reloading(ctx)
	select {
	case <-n.sup.Settled(ctx):
	case <-ctx.Done():
		return
	}
	n.Notify(daemon.SdNotifyReady + "\n" + n.statusLine())
	begun := time.After(beginning)
	watchdog := n.WatchdogInterval()
	var beat <-chan time.Time
	if watchdog > 0 {
		// At once: the last beat of a predecessor may be as old as the pause between two.
		beat = time.After(0)
	}
	for beats := 0; ; {
		select {
		case <-n.sup.Changed():
			n.changed()
			if begun == nil {
				n.works()
			}
		case <-begun:
			begun = nil
			n.works()
			debug.SetGCPercent(service.GCPercent)
			service.ReleaseMemory()
		case <-beat:
			if !n.watchdog(ctx, watchdog/2) {
				beat = time.After(min(beatAgain, watchdog/10))
				continue
			}
			beat = time.After(watchdog / 2)
			if beats++; beats%service.ReleaseEvery == 0 {
				service.ReleaseMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// beginning is how long after READY an instance still looks at its workers, and
// touches pages, if no request comes. Until then Go collects as it does by default,
// which is not before the heap has 4 MiB: all that is left then goes in one collection.
const beginning = 1500 * time.Millisecond

// beatAgain is the pause after a beat that could not be sent, for want of a
// descriptor or of a reader: with one missed the next, in time, would come too late.
const beatAgain = time.Second

func (n *notifier) works() {
	ready := func(w control.WorkerStatus) bool { return w.State == control.Ready }
	if slices.ContainsFunc(n.sup.Published(), func(st control.Status) bool { return slices.ContainsFunc(st.Workers, ready) }) {
		n.working()
	}
}

// watchdog is one beat; false if systemd was not told.
func (n *notifier) watchdog(ctx context.Context, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if n.sup.Alive(ctx) {
		return n.Notify(daemon.SdNotifyWatchdog)
	}
	n.log.Error("loop of an instance does not respond, not notifying the watchdog")
	return false
}

func (n *notifier) changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := n.statusLine()
	if line == n.status || n.ended {
		return
	}
	n.status = line
	n.Notify(line)
}

// stopping is the last word: what follows would overwrite it.
func (n *notifier) stopping() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	n.Notify(daemon.SdNotifyStopping + "\nSTATUS=stopping: waiting for requests to end")
}

// reload asks for a reload; one that is asked for while another is under way
// comes after it.
func (n *notifier) reload() {
	select {
	case n.reloads <- struct{}{}:
	default: // one waits already, and will read the file later than now
	}
}

// busyPause is between attempts to reload while a restart is under way.
const busyPause = 200 * time.Millisecond

func (n *notifier) reloading(ctx context.Context) {
	for {
		select {
		case <-n.reloads:
		case <-ctx.Done():
			return
		}
		n.Notify(daemon.SdNotifyReloading)
		_, err := n.sup.Reload(ctx)
		for errors.Is(err, supervisor.ErrBusy) && ctx.Err() == nil {
			time.Sleep(busyPause)
			_, err = n.sup.Reload(ctx)
		}
		if err != nil {
			n.log.Error("reload failed", "error", err)
		} else {
			n.log.Info("reloaded")
		}
		n.Notify(daemon.SdNotifyReady)
	}
}

func (n *notifier) statusLine() string { return "STATUS=" + summary(n.sup.Published()) }

// summary is a line for people: "up: 1 of 1 workers ready, 3 restarts".
func summary(all []control.Status) string {
	states := map[control.InstanceState]int{}
	ready, slots, restarts := 0, 0, uint64(0)
	for _, st := range all {
		states[st.State]++
		slots += len(st.Workers)
		for _, w := range st.Workers {
			if w.State == control.Ready {
				ready++
			}
		}
		for _, n := range st.Restarts {
			restarts += n
		}
	}
	var parts []string
	for _, s := range control.InstanceStates {
		if n := states[s]; n > 0 && len(all) == 1 {
			parts = append(parts, string(s))
		} else if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	line := strings.Join(parts, ", ")
	if slots > 0 {
		line += fmt.Sprintf(": %d of %s ready", ready, term.Plural(slots, "worker"))
	}
	if restarts > 0 {
		line += ", " + term.Plural(int(restarts), "restart")
	}
	if i := slices.IndexFunc(all, failing); i >= 0 {
		line += "; " + string(all[i].LastFailure.Cause) + ": " + all[i].LastFailure.Detail
	}
	return strings.ReplaceAll(line, "\n", " ")
}

func failing(st control.Status) bool {
	return st.State == control.InstanceFailing && st.LastFailure != nil
}
