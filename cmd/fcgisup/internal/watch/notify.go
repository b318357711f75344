package watch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/service"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// sdReloading is the message of Type=notify and of notify-reload, which wants the time.
func sdReloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return daemon.SdNotifyReloading
	}
	return fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000)
}

// tell tells systemd that the first report is there, how things are, and that
// the monitor's loop makes progress.
func (m *Monitor) tell(ctx context.Context, v *service.Notifier) {
	var beat <-chan time.Time
	interval := v.WatchdogInterval()
	if interval > 0 {
		// Three beats in an interval: one may be lost.
		t := time.NewTicker(interval / 4)
		defer t.Stop()
		beat = t.C
	}
	said, ready := "", false
	for beats := 0; ; {
		report, changed := m.mon.Feed().Latest()
		if report != nil {
			if line := "STATUS=" + counts(report); line != said {
				state := line
				if !ready {
					state = daemon.SdNotifyReady + "\n" + line
				}
				if v.Notify(state) { // else with the next report
					said, ready = line, true
				}
			}
		}
		select {
		case <-changed:
		case <-beat:
			if !m.alive(ctx, interval/4) {
				m.log.Error("loop of the monitor does not respond, not notifying the watchdog")
				continue
			}
			v.Notify(daemon.SdNotifyWatchdog)
			if beats++; beats%service.ReleaseEvery == 1 {
				service.ReleaseMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

func (m *Monitor) alive(ctx context.Context, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return m.mon.Alive(ctx)
}

// counts is a line for people: "12 instances: 10 up, 1 asleep, 1 down".
func counts(r *monitor.Report) string {
	of, all := map[monitor.Health]int{}, 0
	for _, app := range r.Apps {
		for _, i := range app.Instances {
			of[i.Health]++
			all++
		}
	}
	var parts []string
	for _, h := range monitor.Healths {
		if of[h] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of[h], h))
		}
	}
	line := term.Plural(all, "instance")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	if r.ConfigError != "" {
		line += "; the configuration is invalid"
	}
	if r.Page != nil && r.Page.Error != "" {
		line += "; no page: " + fcgisup.Printable(r.Page.Error)
	}
	return line
}
