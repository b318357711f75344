package supervisor

import "time"

// InstanceState is an instance as a whole: the literal in JSON, labels and logs.
type InstanceState string

// The instance states.
const (
	// Sleeping has no worker and waits for its first connection.
	Sleeping InstanceState = "sleeping"
	// InstanceStarting has workers, none of them ready yet.
	InstanceStarting InstanceState = "starting"
	// Up has a worker that accepts.
	Up InstanceState = "up"
	// Saturated is up with every worker busy and requests waiting.
	Saturated InstanceState = "saturated"
	// InstanceFailing has no ready worker after several attempts.
	InstanceFailing InstanceState = "failing"
	// InstanceStopping is on its way down.
	InstanceStopping InstanceState = "stopping"
)

// InstanceStates are all of them.
var InstanceStates = []InstanceState{Sleeping, InstanceStarting, Up, Saturated, InstanceFailing, InstanceStopping}

// Status is an instance as the control socket shows it. Fields that are absent
// could not be known.
type Status struct {
	App      string        `json:"app"`
	Instance int           `json:"instance"`
	Address  string        `json:"address"`
	State    InstanceState `json:"state"`
	// Since is the last change of State.
	Since time.Time `json:"since"`
	// Queue is how many connections wait to be accepted, Backlog how many may.
	Queue   *int           `json:"queue,omitempty"`
	Backlog *int           `json:"backlog,omitempty"`
	Workers []WorkerStatus `json:"workers"`
	// Restarts counts ended workers by cause.
	Restarts    map[Cause]uint64 `json:"restarts"`
	LastFailure *Failure         `json:"last_failure,omitempty"`
	Probe       *ProbeStatus     `json:"probe,omitempty"`
	// ProbeFailures counts failed probes by class.
	ProbeFailures map[string]uint64 `json:"probe_failures"`
	// Refused counts requests answered 503 because no worker could live.
	Refused uint64 `json:"refused"`
	// Cut counts stops at which a connection was still held at stop_timeout.
	Cut uint64 `json:"cut"`
	// Rolling tells that a restart or reload is under way.
	Rolling bool `json:"rolling,omitempty"`
	// ConfigError is why the last reload changed nothing.
	ConfigError string `json:"config_error,omitempty"`
	// Missing are the reasons for facts that could not be read.
	Missing []string `json:"missing,omitempty"`
}

// WorkerStatus is one worker slot.
type WorkerStatus struct {
	// PID is 0 without a process.
	PID   int       `json:"pid"`
	State State     `json:"state"`
	Since time.Time `json:"since"`
	// Generation is the number of the configuration or restart that started it.
	Generation int `json:"generation"`
	// Attempt counts failures in a row before readiness.
	Attempt int `json:"attempt,omitempty"`
	// Next is when a waiting slot tries again.
	Next *time.Time `json:"next,omitempty"`
}

// Failure is the last thing that went wrong, with its evidence.
type Failure struct {
	At    time.Time `json:"at"`
	Cause Cause     `json:"cause"`
	PID   int       `json:"pid,omitempty"`
	// Detail is the exit status, the signal or the error.
	Detail string `json:"detail"`
	// Output are the worker's last lines before it.
	Output []string `json:"output,omitempty"`
}

// ProbeStatus is the last probe.
type ProbeStatus struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
	// Skipped says why none was sent: it would have waited behind real requests.
	Skipped string `json:"skipped,omitempty"`
	// Class is that of the error: refused, missing, full, timeout, protocol, overloaded, status, body.
	Class string `json:"class,omitempty"`
	Error string `json:"error,omitempty"`
	// Status is the HTTP status, 0 for a ping.
	Status          int     `json:"status,omitempty"`
	DurationSeconds float64 `json:"duration_seconds"`
	// Failures counts failures in a row.
	Failures int `json:"failures"`
}

// ProbeResult is what a probe function found.
type ProbeResult struct {
	// Err is nil for the expected answer.
	Err error
	// Class classifies Err.
	Class  string
	Status int
}

// instanceState derives the state of an instance from its slots.
func instanceState(slots []*slot, leaving bool) InstanceState {
	if leaving {
		return InstanceStopping
	}
	state := Sleeping
	for _, s := range slots {
		switch s.m.state {
		case Ready:
			return Up
		case Failing:
			state = InstanceFailing
		case Starting, Backoff, Draining, Stopping, Killing:
			if s.m.attempt >= failingAfter {
				state = InstanceFailing
			} else if state != InstanceFailing {
				state = InstanceStarting
			}
		case Stopped:
		}
	}
	return state
}
