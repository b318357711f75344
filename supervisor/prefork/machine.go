package prefork

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// attempts in a row that a template fails while the program runs without one are enough until the next restart.
	attempts = 3
	// proven is how long a template must have been ready for its failures to be forgotten.
	proven = time.Minute
)

// Machine is the template of one generation of an instance's workers. The zero value has not been tried.
type Machine struct {
	State control.TemplateState
	// Reason is why it has failed.
	Reason string
	Since  time.Time
	// Failures count in a row, Blamed those of them that are the template's own.
	Failures, Blamed int
	// Again is when a failed one may be tried again; zero: not in this generation.
	Again time.Time
}

// Kind of event.
type Kind string

// The events of a template.
const (
	// Begun: a process that may become the template has been started.
	Begun Kind = "begun"
	// Kept: it is the template.
	Kept Kind = "kept"
	// Refused: the program cannot be forked, for a reason that the next attempt would find, too.
	Refused Kind = "refused"
	// Lost: the process has ended, or does not do what it is told.
	Lost Kind = "lost"
	// Dropped: it has been ended, since nothing needs it.
	Dropped Kind = "dropped"
)

// Kinds are all of them.
var Kinds = []Kind{Begun, Kept, Refused, Lost, Dropped}

// Event is what happened to a template; Reason comes with Refused and Lost.
type Event struct {
	Kind   Kind
	Reason string
	// Blamed comes with Lost: no other process has ended it, and the program runs without a template.
	Blamed bool
}

// Step is the whole behaviour; delay is the wait after n failures in a row.
func (m Machine) Step(ev Event, now time.Time, delay func(n int) time.Duration) Machine {
	switch ev.Kind {
	case Begun:
		if m.MayBegin(now) {
			m.Reason, m.Again = "", time.Time{}
			return m.enter(control.TemplateStarting, now)
		}
	case Kept:
		if m.State == control.TemplateStarting {
			return m.enter(control.TemplateReady, now)
		}
	case Refused:
		if m.State != control.TemplateFailed {
			m.Reason, m.Again = ev.Reason, time.Time{}
			return m.enter(control.TemplateFailed, now)
		}
	case Lost:
		if m.State != control.TemplateStarting && m.State != control.TemplateReady {
			return m
		}
		if m.State == control.TemplateReady && now.Sub(m.Since) >= proven {
			m.Failures, m.Blamed = 0, 0
		}
		m.Failures++
		if ev.Blamed {
			m.Blamed++
		}
		m.Reason, m.Again = ev.Reason, time.Time{}
		if m.Blamed < attempts {
			m.Again = now.Add(delay(m.Failures))
		}
		return m.enter(control.TemplateFailed, now)
	case Dropped:
		if m.State == control.TemplateStarting || m.State == control.TemplateReady {
			return Machine{Since: now, Failures: m.Failures, Blamed: m.Blamed}
		}
	default:
	}
	return m
}

// MayBegin reports whether a template may be tried now.
func (m Machine) MayBegin(now time.Time) bool {
	switch m.State {
	case control.TemplateStarting, control.TemplateReady:
		return false
	case control.TemplateFailed:
		return !m.Again.IsZero() && !now.Before(m.Again)
	default:
		return true
	}
}

func (m Machine) enter(s control.TemplateState, now time.Time) Machine {
	m.State, m.Since = s, now
	return m
}
