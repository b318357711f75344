package watch

import (
	"context"
	"strings"
	"sync"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/units"
)

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
