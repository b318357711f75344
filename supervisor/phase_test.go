package supervisor

import "testing"

func TestPhases(t *testing.T) {
	t.Parallel()
	events := []phaseEvent{eventWake, eventSleep, eventLeave, eventSuspend}
	for from, want := range map[phase][]phase{
		phaseSleeping:  {phaseAwake, phaseSleeping, phaseLeaving, phaseSuspended},
		phaseAwake:     {phaseAwake, phaseSleeping, phaseLeaving, phaseSuspended},
		phaseLeaving:   {phaseLeaving, phaseLeaving, phaseLeaving, phaseLeaving},
		phaseSuspended: {phaseSuspended, phaseSuspended, phaseSuspended, phaseSuspended},
	} {
		for n, ev := range events {
			if got := from.after(ev); got != want[n] {
				t.Errorf("%s, %s: %s, want %s", from, ev, got, want[n])
			}
		}
	}
}
