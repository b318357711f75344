package supervisor

// phase is what an instance is doing as a whole.
type phase string

const (
	// phaseSleeping: no workers are wanted; the next connection wakes it.
	phaseSleeping phase = "sleeping"
	// phaseAwake: workers run, start, or wait for their next attempt.
	phaseAwake phase = "awake"
	// phaseLeaving: workers are stopped, and run returns when the last has ended.
	phaseLeaving phase = "leaving"
	// phaseSuspended: run returns at once and leaves the workers to a successor.
	phaseSuspended phase = "suspended"
)

// phaseEvent is what moves an instance from one phase to another.
type phaseEvent string

const (
	eventWake    phaseEvent = "wake"
	eventSleep   phaseEvent = "sleep"
	eventLeave   phaseEvent = "leave"
	eventSuspend phaseEvent = "suspend"
)

// after returns the phase that follows an event. It is the same where the event changes nothing.
func (p phase) after(ev phaseEvent) phase {
	switch {
	case p == phaseLeaving || p == phaseSuspended: // there is no way back
		return p
	case ev == eventWake:
		return phaseAwake
	case ev == eventSleep:
		return phaseSleeping
	case ev == eventLeave:
		return phaseLeaving
	}
	return phaseSuspended
}
