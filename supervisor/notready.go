package supervisor

import "github.com/fcgisup/fcgisup/supervisor/control"

// noteUnready keeps what can be seen only while the worker lives: right before it
// is told to end, or when its first process has left others.
func (i *instance) noteUnready(s *slot, before machine, ev event) {
	if before.state != control.Starting || s.proc == nil || ev.kind != deadline && ev.kind != orphaned || s.m.state == control.Starting {
		return
	}
	var members []string
	s.seen.own, members = s.proc.listening()
	if ev.kind == orphaned {
		s.seen.left = members
	}
}

// whyUnready is [unready.reason] of a slot whose worker has ended.
func (i *instance) whyUnready(s *slot) string {
	u := s.seen
	if s.m.cause == control.StartTimeout {
		u.timeout = i.app.Limits.StartTimeout
	}
	u.clean = s.exit.Clean()
	if s.proc != nil {
		u.output = s.proc.lines()
	}
	if len(u.left) == 0 && u.clean {
		own, left := i.host.left()
		u.left = left
		u.own = append(u.own, own...)
	}
	return u.reason()
}
