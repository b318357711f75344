package supervisor

import (
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// noteUnready keeps what can be seen only while the worker lives: right before it
// is told to end, or when its first process has left others.
func (i *instance) noteUnready(s *slot, before worker.Machine, ev worker.Event) {
	if before.State != control.Starting || s.proc == nil || ev.Kind != worker.Deadline && ev.Kind != worker.Orphaned || s.m.State == control.Starting {
		return
	}
	var members []string
	s.seen.Own, members = s.proc.Listening()
	if ev.Kind == worker.Orphaned {
		s.seen.Left = members
	}
}

// whyUnready is [unready.reason] of a slot whose worker has ended.
func (i *instance) whyUnready(s *slot) string {
	u := s.seen
	if s.m.Cause == control.StartTimeout {
		u.Timeout = i.app.Limits.StartTimeout
	}
	u.Clean = s.exit.Clean()
	if s.proc != nil {
		u.Output = s.proc.Lines()
	}
	if len(u.Left) == 0 && u.Clean {
		own, left := i.host.Daemonized()
		u.Left = left
		u.Own = append(u.Own, own...)
	}
	return u.Reason()
}
