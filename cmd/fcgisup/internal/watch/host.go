package watch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/units"
)

// options give the monitor the host.
func (m *Monitor) options(cfg *fcgisup.Config, s fcgisup.Monitor) monitor.Options {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	opt := monitor.Options{
		Host: host, Version: m.Version(), Apps: cfg.Apps, Interval: s.Interval,
		Sockets: m.sockets, Status: m.status,
		Secret: func() bool {
			token, _ := m.token.get()
			return token != ""
		},
		SocketOf: func(in fcgisup.Instance) string { return deploy.ControlOf(in.App, in.Number) },
		Restart: func(ctx context.Context, socket string, number int) error {
			return control.Ask(ctx, socket, http.MethodPost, control.RestartTarget+"?instance="+strconv.Itoa(number), &struct{}{})
		},
		UnitNames: func(in fcgisup.Instance) (socket, service string) {
			return units.Names(in.App).Socket(in.Number), units.Names(in.App).Service(in.Number)
		},
		Probe: peer.Probe,
		Traffic: func(a fcgisup.Address, pid int, fresh bool) (monitor.Traffic, error) {
			return trafficOf(&m.host, a, pid, fresh)
		},
		Evidence: m.evidenceOf,
		Log:      m.log,
	}
	if _, err := os.Lstat("/run/systemd/system"); err == nil {
		opt.Units = &hostUnits{}
	} else {
		m.log.Info("systemd does not run here: only instances whose supervisor runs are known")
	}
	return opt
}

// evidenceTimeout bounds the wait for what is logged of a process before it is restarted.
const evidenceTimeout = 250 * time.Millisecond

// evidenceOf reads one process at a time: what blocks once may block again.
func (m *Monitor) evidenceOf(pid int) any {
	e, err := m.evidence.Read(evidenceTimeout, 0, func() (scoreboard.Evidence, error) { return scoreboard.Gather(pid), nil })
	if err == nil && e.Stat.PID != pid { // another lane was first
		err = errors.New("busy with the evidence of another process")
	}
	if err != nil {
		return scoreboard.Evidence{Stat: scoreboard.Stat{PID: pid}, Missing: []string{err.Error()}}
	}
	return e
}

// sockets are the control sockets of this host.
func (m *Monitor) sockets() ([]string, error) {
	return append(control.AllPaths(), m.controls...), nil
}

// trafficOf is what the kernel knows of a service's listener. Clients in another
// network namespace, as a web server in a container, are seen in the descriptors
// of the service's processes only; whether they have gone is not.
func trafficOf(host *peer.Surveyor, a fcgisup.Address, pid int, fresh bool) (monitor.Traffic, error) {
	l, sample, at, err := host.Look(a.Network, a.Addr, fresh)
	if err != nil {
		return monitor.Traffic{}, err
	}
	defer l.Close()
	if sample.ConnsErr != nil {
		return monitor.Traffic{}, sample.ConnsErr
	}
	t := monitor.Traffic{At: at, Queue: sample.Queue.Length}
	for _, c := range sample.Conns {
		if c.Gone {
			t.Orphaned++
		} else {
			t.Serving = append(t.Serving, uint64(c.Inode))
		}
	}
	foreign, err := l.Foreign(cgroupOf(pid))
	for _, c := range foreign {
		t.Serving = append(t.Serving, uint64(c.Inode))
	}
	return t, err
}

// cgroupRoots are where cgroup2 is, on a pure and on a hybrid machine.
var cgroupRoots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// cgroupOf are the processes of a service, by its main one, which stands for
// itself where the others cannot be known.
func cgroupOf(pid int) []int {
	if pid == 0 {
		return nil
	}
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return []int{pid}
	}
	for line := range strings.Lines(string(own)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for _, root := range cgroupRoots {
			text, err := os.ReadFile(filepath.Join(root, group, "cgroup.procs"))
			if err != nil {
				continue
			}
			var pids []int
			for _, field := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(field); err == nil && n > 0 {
					pids = append(pids, n)
				}
			}
			return pids
		}
	}
	return []int{pid}
}

// status asks a supervisor. Below Root it may speak of no more than its
// directory's name says: that is its app's user's, who must not speak for other apps.
func (m *Monitor) status(ctx context.Context, socket string, apps []fcgisup.App) ([]control.Status, error) {
	if slices.Contains(m.controls, socket) {
		return control.FetchAny(ctx, socket)
	}
	return control.FetchFew(ctx, apps, socket)
}
