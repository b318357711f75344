package show

import (
	"errors"
	"fmt"
	"os"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// asleep are the selected instances of the configuration that no supervisor
// speaks for, and whose socket somebody, which is systemd, holds for them: nothing
// is connected to, which would wake them. It is silent about a configuration that
// cannot be had: status goes without one.
func (s *View) asleep(roots string) []control.Status {
	if s.Control != "" {
		return nil
	}
	var all []control.Status
	survey := scoreboard.NewSurvey()
	for _, a := range s.ConfiguredApps() {
		if !a.Systemd.Supervise {
			continue
		}
		for _, in := range a.Expand() {
			st := control.Status{
				App: in.App, Instance: in.Number, Address: in.Address.Addr, State: control.Sleeping,
				Workers: []control.WorkerStatus{}, Restarts: map[control.Cause]uint64{},
				ProbeFailures: map[fcgisup.ProbeClass]uint64{}, Scaled: map[control.Direction]uint64{},
			}
			if s.which.Has(st) && !peer.HasControl(survey, roots, in) && held(survey, in.Address, &st) {
				all = append(all, st)
			}
		}
	}
	return all
}

// held tells whether somebody listens, and fills in what is known of the queue.
func held(survey *scoreboard.Survey, a fcgisup.Address, st *control.Status) bool {
	l, err := survey.Find(a.Network, a.Addr)
	if errors.Is(err, scoreboard.ErrUnsupported) && a.Network == "unix" {
		info, err := os.Stat(a.Addr)
		return err == nil && info.Mode().Type() == os.ModeSocket
	}
	if err != nil {
		return false
	}
	defer l.Close()
	if q, err := survey.Queue(l); err == nil {
		st.Queue = &q.Length
		if n, known := q.Capacity.Value(); known {
			st.QueueLimit, st.Backlog = &n, &n
		}
	}
	none, zero := 0, 0.0
	st.InFlight, st.OldestRequestSeconds = &none, &zero
	return true
}

// nobody says why there is nothing to show of what was selected.
func (s *View) nobody() error {
	err := fmt.Errorf("no supervisor here runs %s", s.which)
	apps := s.ConfiguredApps()
	if s.which.App == "" || len(apps) == 0 || s.Control != "" {
		return term.Hinted(err, "instances that sleep under systemd have none until their first request")
	}
	for _, a := range apps {
		for _, in := range a.Expand() {
			if s.which.Has(control.Status{App: in.App, Instance: in.Number}) {
				return term.Hinted(fmt.Errorf("%w, and nobody listens on %s", err, in.Address), "fcgisup apply installs and starts what is configured")
			}
		}
	}
	return term.Hinted(fmt.Errorf("%w, and the configuration has none", err), "fcgisup status shows what there is")
}
