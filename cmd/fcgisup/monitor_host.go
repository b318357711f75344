package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/units"
)

// options give the monitor the host.
func (m *monitoring) options(cfg *fcgisup.Config, s fcgisup.Monitor) monitor.Options {
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
func (m *monitoring) evidenceOf(pid int) any {
	e, err := m.evidence.Read(evidenceTimeout, 0, func() (scoreboard.Evidence, error) { return scoreboard.Gather(pid), nil })
	if err == nil && e.Stat.PID != pid { // another lane was first
		err = errors.New("another process was being read")
	}
	if err != nil {
		return scoreboard.Evidence{Stat: scoreboard.Stat{PID: pid}, Missing: []string{err.Error()}}
	}
	return e
}

// sockets are the control sockets of this host.
func (m *monitoring) sockets() ([]string, error) {
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

// hostUnits is systemd over a connection that is made again when it is lost,
// as by systemctl daemon-reexec.
type hostUnits struct {
	mu   sync.Mutex
	conn *units.Systemd
}

func (h *hostUnits) connected(ctx context.Context) (*units.Systemd, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil {
		conn, err := units.Connect(ctx)
		if err != nil {
			return nil, err
		}
		h.conn = conn
	}
	return h.conn, nil
}

// lost drops a connection that has failed; the next question makes another.
func (h *hostUnits) lost(conn *units.Systemd) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == conn {
		h.conn = nil
		conn.Close()
	}
}

// List asks once again over a new connection when the old one is lost.
func (h *hostUnits) List(ctx context.Context) (map[string]monitor.Unit, error) {
	states, err := h.list(ctx)
	if err != nil {
		if states, err = h.list(ctx); err != nil {
			return nil, err
		}
	}
	all := make(map[string]monitor.Unit, len(states))
	for _, s := range states {
		all[s.Name] = monitor.Unit{Active: s.Active, Sub: s.Sub}
	}
	return all, nil
}

func (h *hostUnits) list(ctx context.Context) ([]units.State, error) {
	conn, err := h.connected(ctx)
	if err != nil {
		return nil, err
	}
	states, err := conn.List(ctx, units.AllSockets, units.AllServices)
	if err != nil {
		h.lost(conn)
	}
	return states, err
}

// Result is that of a socket or service.
func (h *hostUnits) Result(ctx context.Context, unit string) (string, error) {
	conn, err := h.connected(ctx)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(unit, ".socket") {
		return conn.Result(ctx, unit, "Socket")
	}
	s, err := conn.Service(ctx, unit)
	if err != nil {
		return "", err
	}
	return resultOf(s), nil
}

// resultOf is systemd's result of a service, with the exit code and the path that its sandbox lacks where that is the reason.
func resultOf(s units.Service) string {
	app, _, _, _ := units.Parse(s.Name)
	cause, fix := startup.DeniedMounts(s.Result, s.Exit, s.MissingMounts, app)
	switch {
	case cause != "":
		return units.Ending(s.Result, s.Exit) + "; " + cause + "; " + fix
	case s.Result == "success":
		return s.Result
	}
	return units.Ending(s.Result, s.Exit)
}

// Service asks for one service.
func (h *hostUnits) Service(ctx context.Context, unit string) (monitor.Service, error) {
	conn, err := h.connected(ctx)
	if err != nil {
		return monitor.Service{}, err
	}
	s, err := conn.Service(ctx, unit)
	return monitor.Service{
		Unit:  monitor.Unit{Active: s.Active, Sub: s.Sub, Result: s.Result},
		Began: s.Began, PID: s.PID, Restarts: s.Restarts,
	}, err
}

// TryRestart waits for the job's end on a connection of its own: while one
// waits, what comes in on it for others must not.
func (h *hostUnits) TryRestart(ctx context.Context, unit string) error {
	conn, err := units.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.TryRestart(ctx, unit)
}
