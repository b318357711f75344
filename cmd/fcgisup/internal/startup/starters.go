package startup

import (
	"context"
	"sync"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// Starters asks systemd whether the services that it starts for sleeping sockets fail, as
// status does. Where systemd cannot be asked none is known to fail. One may be asked by many;
// the zero value is ready.
type Starters struct {
	// Systemd is asked; nil: the host's, over a connection that Close ends.
	Systemd Starter

	mu     sync.Mutex
	asked  bool
	end    func()
	active map[string]string
	// sockets are listed when the first address without an instance is asked about.
	listed  bool
	sockets []units.SocketUnit
}

// Starter is what systemd is asked about sockets and their services.
type Starter interface {
	Services
	Sockets(ctx context.Context) ([]units.SocketUnit, error)
}

// Of returns the failure of an instance's service.
func (s *Starters) Of(ctx context.Context, in fcgisup.Instance) *control.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure(ctx, units.Names(in.App).Service(in.Number), in.App)
}

// At returns the failure of the service whose socket unit listens on an address.
func (s *Starters) At(ctx context.Context, address fcgisup.Address) *control.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reach(ctx); s.Systemd == nil {
		return nil
	}
	if !s.listed {
		s.listed = true
		s.sockets, _ = s.Systemd.Sockets(ctx)
	}
	address = peer.Canonical(address)
	for _, u := range s.sockets {
		for _, l := range u.Listen {
			if u.Service != "" && u.Active == "active" && peer.Serves(peer.Canonical(l), address) {
				return s.failure(ctx, u.Service, deploy.MakerOf(u.File))
			}
		}
	}
	return nil
}

// failure must be called with mu held.
func (s *Starters) failure(ctx context.Context, unit, app string) *control.Failure {
	if s.reach(ctx); s.Systemd == nil || !mayFail(s.active[unit]) {
		return nil
	}
	return failureOf(ctx, s.Systemd, unit, app)
}

// reach connects once and lists how the services are.
func (s *Starters) reach(ctx context.Context) {
	if s.asked {
		return
	}
	s.asked = true
	if s.Systemd == nil {
		systemd, err := units.Connect(ctx)
		if err != nil {
			return
		}
		s.Systemd, s.end = systemd, systemd.Close
	}
	states, _ := s.Systemd.List(ctx, "*.service") // without an answer none is known to fail
	s.active = make(map[string]string, len(states))
	for _, st := range states {
		s.active[st.Name] = st.Active
	}
}

// Close ends the connection to systemd, if one was made.
func (s *Starters) Close() {
	if s.end != nil {
		s.end()
	}
}
