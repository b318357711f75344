package control

import (
	"time"

	"github.com/fcgisup/fcgisup"
)

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
	// Queue is how many connections wait to be accepted, QueueLimit how many may now,
	// Backlog how many may while the queue does not stand (limits.queue_wait).
	Queue      *int `json:"queue,omitempty"`
	QueueLimit *int `json:"queue_limit,omitempty"`
	Backlog    *int `json:"backlog,omitempty"`
	// QueueHeadSeconds is how long the head of the queue has waited, as seen.
	QueueHeadSeconds *float64 `json:"queue_head_seconds,omitempty"`
	// InFlight is how many connections are accepted and open, less those that are
	// known to carry no request.
	InFlight *int `json:"in_flight,omitempty"`
	// Kept is how many idle connections clients keep for later. Each holds a worker
	// that serves one connection at a time.
	Kept int `json:"kept"`
	// OldestRequestSeconds is the age of the oldest of them, 0 if there is none.
	OldestRequestSeconds *float64 `json:"oldest_request_seconds,omitempty"`
	// Orphaned requests are served although their client has gone.
	Orphaned *int `json:"orphaned,omitempty"`
	// Abandoned counts queued connections whose client has gone, ever.
	Abandoned uint64         `json:"abandoned"`
	Workers   []WorkerStatus `json:"workers"`
	// Template is the process that workers are forked from (workers.prefork); absent without.
	Template *TemplateStatus `json:"template,omitempty"`
	// Restarts counts replacements after a failure, by one of [RestartCauses]; Exits every worker that ended, by cause.
	Restarts    map[Cause]uint64 `json:"restarts"`
	Exits       map[Cause]uint64 `json:"exits"`
	LastFailure *Failure         `json:"last_failure,omitempty"`
	// Denial is what a worker was last refused, perhaps by the service's sandbox.
	Denial *fcgisup.Denial `json:"denial,omitempty"`
	Probe  *ProbeStatus    `json:"probe,omitempty"`
	// ProbeFailures counts failed probes by class.
	ProbeFailures map[fcgisup.ProbeClass]uint64 `json:"probe_failures"`
	// Rejected counts requests answered 503 because no worker could live.
	Rejected uint64 `json:"rejected"`
	// QueueLimited counts how often the queue was limited because it stood.
	QueueLimited uint64 `json:"queue_limited"`
	// Cut counts stops at which a connection was still held at stop_timeout.
	Cut uint64 `json:"cut"`
	// Rolling tells that a restart or reload is under way.
	Rolling bool `json:"rolling,omitempty"`
	// ConfigError is why the last reload changed nothing, or, beginning with [AcceptedNote], why the start did not use the
	// configuration as it is.
	ConfigError string `json:"config_error,omitempty"`
	// Scaled counts changes of the number of workers.
	Scaled map[Direction]uint64 `json:"scaled"`
	// Missing are the reasons for facts that could not be read.
	Missing []string `json:"missing,omitempty"`

	// Starts are from spawn to ready; Probings are whole probes.
	Starts   Histogram `json:"starts,omitzero"`
	Probings Histogram `json:"probings,omitzero"`
}

// AcceptedNote begins a ConfigError that holds since the start.
const AcceptedNote = "runs with the last accepted configuration"

// TemplateStatus is the process that has loaded the program, and that workers are forked from.
type TemplateStatus struct {
	// PID is 0 without a process.
	PID   int           `json:"pid"`
	State TemplateState `json:"state"`
	Since time.Time     `json:"since"`
	// Reason is why there is none, and workers are started one by one.
	Reason      string  `json:"reason,omitempty"`
	MemoryBytes *uint64 `json:"memory_bytes,omitempty"`
	MemoryKind  string  `json:"memory_kind,omitempty"`
}

// WorkerStatus is one worker slot.
type WorkerStatus struct {
	// PID is 0 without a process.
	PID   int       `json:"pid"`
	State State     `json:"state"`
	Since time.Time `json:"since"`
	// Busy reports whether it serves a request; Since is then of that, too.
	Busy *bool `json:"busy,omitempty"`
	// Kept tells that it is not busy, but held by an idle connection that its client
	// keeps for later.
	Kept bool `json:"kept,omitempty"`
	// RequestsSeen is a lower bound: what comes and goes between two looks is not seen.
	RequestsSeen *uint64 `json:"requests_seen,omitempty"`
	// MemoryBytes is that of its whole process group; MemoryKind is pss or rss.
	MemoryBytes *uint64 `json:"memory_bytes,omitempty"`
	MemoryKind  string  `json:"memory_kind,omitempty"`
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
	// Evidence is what the kernel said of a stuck worker before it was killed.
	Evidence []string `json:"evidence,omitempty"`
}

// ProbeStatus is the last probe.
type ProbeStatus struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
	// Skipped says why none was sent: it would have waited behind real requests.
	Skipped string `json:"skipped,omitempty"`
	// Class is that of the error: refused, missing, full, timeout, protocol, overloaded, status, body.
	Class fcgisup.ProbeClass `json:"class,omitempty"`
	Error string             `json:"error,omitempty"`
	// Status is the HTTP status, 0 for a ping.
	Status int `json:"status,omitempty"`
	// Answer is how a wrong answer begins, at most 200 bytes of it, made printable.
	Answer string `json:"answer,omitempty"`
	// Ping is what is known of the program and pings; empty for requests, and as long
	// as none could be tried. With PingNone no probe is sent.
	Ping            PingVerdict `json:"ping,omitempty"`
	DurationSeconds float64     `json:"duration_seconds"`
	// Failures counts failures in a row.
	Failures int `json:"failures"`
}
