package show

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// asleep returns the selected instances of the configuration that have a listener, usually
// systemd, and no supervisor. It connects to no socket, which would wake them. A configuration
// that cannot be read is not an error: status works without one.
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

// held reports whether a process listens, and fills in what is known of the queue.
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

// noneSelected is the error of a selection without an instance, with its cause.
func (s *View) noneSelected() error {
	err := fmt.Errorf("no supervisor on this host runs %s", s.which)
	apps := s.ConfiguredApps()
	if s.which.App == "" || len(apps) == 0 || s.Control != "" {
		return term.Hinted(err, "sleeping instances have no supervisor until their first request")
	}
	for _, a := range apps {
		for _, in := range a.Expand() {
			if s.which.Has(control.Status{App: in.App, Instance: in.Number}) {
				return term.Hinted(fmt.Errorf("%w, and no process listens on %s", err, in.Address), "fcgisup apply installs and starts configured apps")
			}
		}
	}
	hint := cmp.Or(term.DidYouMean(s.which.App, term.AppNames(apps)), "fcgisup status shows the instances of this host")
	return term.Hinted(fmt.Errorf("%w, and the configuration has no such app", err), hint)
}
