package monitor

import (
	"fmt"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// Unit is what systemd says of a unit. The zero value is a unit that it has not
// loaded, which is the same as inactive.
type Unit struct {
	// Active is ActiveState, Sub is SubState.
	Active, Sub string
	// Result is why it has failed, where that was asked for.
	Result string
}

// String is ActiveState/SubState.
func (u Unit) String() string {
	if u.Active == "" {
		return ""
	}
	return u.Active + "/" + u.Sub
}

// States of units, org.freedesktop.systemd1(5).
const (
	unitActive       = "active"
	unitReloading    = "reloading"
	unitActivating   = "activating"
	unitDeactivating = "deactivating"
	unitFailed       = "failed"

	subAutoRestart = "auto-restart"
)

func (u Unit) inactive() bool { return u.Active == "" || u.Active == "inactive" }

// up reports whether the unit runs; a reload does not interrupt it.
func (u Unit) up() bool { return u.Active == unitActive || u.Active == unitReloading }

// failing reports whether a unit has failed, or may be between two starts that do.
func (u Unit) failing() bool { return u.Active == unitFailed || u.Active == unitActivating }

// ending reports whether a stop is under way that is not a failure.
func (u Unit) ending() bool {
	return u.Active == unitDeactivating && (u.Result == "" || u.Result == "success")
}

// restartsAsFailure looks make what systemd restarts again and again count as
// down, as so many failed attempts do in the supervisor; as many others end that.
const restartsAsFailure = 3

// facts are all that is known of an instance at one time.
type facts struct {
	supervised bool
	// systemd tells that socket and service are known.
	systemd         bool
	socket, service Unit
	// missing is why clients cannot connect although the socket unit is active.
	missing string
	// status is its supervisor's word; nil with the reason in silence, if one was asked.
	status  *control.Status
	silence string
	// refused is why the answers of its supervisor cannot be read, if that has lasted.
	refused string
	// fresh tells that the supervisor is so young that it was not asked yet.
	fresh bool
	// bad is what a plain instance's probes have found.
	bad string
	// restarts counts the looks of late at which systemd was restarting the service.
	restarts int
	// failures is after how many failed probes in a row an instance is unhealthy.
	failures int
	before   Health
}

// verdict is what facts amount to.
type verdict struct {
	health   Health
	why      string
	intended bool
}

// judge derives the health of an instance. Its supervisor knows best; without one
// it is systemd's word. What it does not say is Unknown, never a guess.
func judge(f facts) verdict {
	switch {
	case f.status != nil && f.status.State != control.InstanceStopping:
		return judgeStatus(f)
	case !f.systemd && f.status != nil:
		return verdict{Stopped, "its supervisor ends", true}
	case !f.systemd && f.refused != "":
		return verdict{health: Down, why: f.refused}
	case !f.systemd:
		return verdict{health: Unknown, why: orElse(f.silence, "no supervisor answers for it, and systemd does not run here")}
	case f.socket.Active == unitFailed:
		return verdict{health: Down, why: "its socket has failed" + inBrackets(f.socket.Result) + ": connections are refused"}
	case f.socket.inactive() && f.service.up():
		return verdict{Stopped, "its socket unit is inactive although its service runs", true}
	case f.socket.inactive(), f.socket.ending():
		return verdict{Stopped, "its socket unit is " + orElse(f.socket.Active, "inactive"), true}
	case f.missing != "":
		return verdict{health: Down, why: f.missing}
	}
	return judgeService(f)
}

// judgeStatus goes by what the supervisor says.
func judgeStatus(f facts) verdict {
	st := f.status
	v := verdict{health: Up, intended: st.Rolling || f.service.ending()}
	switch st.State {
	case control.Sleeping:
		v.health = Asleep
	case control.InstanceFailing:
		v.health, v.why, v.intended = Down, "its workers fail before they are ready"+failed(st), false
	case control.InstanceStarting, control.Up, control.Saturated, control.InstanceStopping:
		if why := failsProbes(f); why != "" {
			v.health, v.why = Down, why
		}
	default: // of another version, or no supervisor at all
		v.health, v.why = Unknown, fmt.Sprintf("its supervisor says %q", foreign(string(st.State)))
	}
	switch {
	case f.systemd && f.socket.Active == unitFailed:
		v.health, v.why = Down, "its socket has failed"+inBrackets(f.socket.Result)+": connections are refused"
	case f.missing != "":
		v.health, v.why = Down, f.missing
	}
	v.intended = v.intended && v.health != Down
	return v
}

// failsProbes tells why a supervisor's probes make an instance down. The
// supervisor counts to failures, acts and begins again: until a probe is good
// again, or while it tells nothing new, the instance stays what it was.
func failsProbes(f facts) string {
	p := f.status.Probe
	switch {
	case p == nil, p.OK && p.Skipped == "", p.OK && p.Ping == control.PingNone:
		return ""
	case p.OK && f.before == Down:
		return "its last probe failed, and it is too busy for another"
	case p.OK:
		return ""
	case p.Failures == 0, p.Failures >= f.failures, f.before == Down:
		return "probes fail: " + foreign(orElse(p.Error, string(p.Class)))
	}
	return ""
}

// judgeService goes by systemd's word of a service whose socket is open.
func judgeService(f facts) verdict {
	service := f.service
	switch {
	case service.Active == unitFailed:
		return verdict{health: Down, why: "its service has failed" + inBrackets(service.Result)}
	case service.inactive():
		return verdict{health: Asleep}
	case f.restarts >= restartsAsFailure:
		return verdict{health: Down, why: "its service ends again and again" + inBrackets(service.Result)}
	case f.bad != "":
		return verdict{health: Down, why: f.bad}
	case service.Active == unitDeactivating:
		// The socket stays open: a restart, or on its way to sleep.
		return verdict{health: Asleep, intended: service.ending()}
	case service.Active == unitActivating:
		return verdict{health: Up}
	case f.supervised && f.refused != "":
		return verdict{health: Down, why: f.refused}
	case f.supervised && f.status != nil:
		return verdict{health: Asleep, intended: true} // it ends, and its socket stays: limits.idle_timeout
	case f.supervised && f.fresh:
		return verdict{health: Up}
	case f.supervised:
		return verdict{health: Unknown, why: orElse(f.silence, "its service runs, but its supervisor has no control socket")}
	}
	return verdict{health: Up}
}

// failed is the supervisor's last failure, to follow other words.
func failed(st *control.Status) string {
	if st.LastFailure == nil {
		return ""
	}
	return ": " + foreign(fmt.Sprintf("%s: %s", st.LastFailure.Cause, st.LastFailure.Detail))
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
