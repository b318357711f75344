package control

// State is what a worker slot is doing. The literal is the log value, the JSON
// value and the metric label.
type State string

// The states. Draining, stopping and killing still have a process; backoff,
// failing and stopped have none.
const (
	// Starting has a process that has not shown yet that it accepts.
	Starting State = "starting"
	// Ready has a process that accepts, or has accepted.
	Ready State = "ready"
	// Draining waits for the moment at which the process holds no connection.
	Draining State = "draining"
	// Stopping has sent the stop signal.
	Stopping State = "stopping"
	// Killing has sent SIGKILL to the process group.
	Killing State = "killing"
	// Backoff waits for the next attempt after a failure.
	Backoff State = "backoff"
	// Failing is backoff after failingAfter failures in a row: nothing suggests that the next will be better.
	Failing State = "failing"
	// Stopped is at rest.
	Stopped State = "stopped"
)

// States are all of them, in the order of a life.
var States = []State{Starting, Ready, Draining, Stopping, Killing, Backoff, Failing, Stopped}

// Cause is why a worker was stopped or replaced: a value beside the state.
type Cause string

// The causes.
const (
	None         Cause = ""
	Crash        Cause = "crash"
	SpawnError   Cause = "spawn-error"
	StartTimeout Cause = "start-timeout"
	Probe        Cause = "probe"
	Stuck        Cause = "stuck"
	Age          Cause = "age"
	Memory       Cause = "memory"
	Operator     Cause = "operator"
	Reload       Cause = "reload"
	Idle         Cause = "idle"
	Scale        Cause = "scale"
	// ListenSocket is a listener that was shut down or whose file was deleted: its
	// workers move to a fresh one.
	ListenSocket Cause = "socket"
	// Finished is exit status 0 after readiness: a normal end, php-cgi's every 500 requests.
	Finished Cause = "finished"
	// Pinged is an end that the first ping of a program has brought about: our doing,
	// and no failure, see pingtrial.go.
	Pinged Cause = "ping"
)

// RestartCauses are those of [Causes] that are failures, after which a worker is replaced.
var RestartCauses = []Cause{Crash, SpawnError, StartTimeout, Probe, Stuck}

// Causes are those that exits are counted under.
var Causes = []Cause{Crash, SpawnError, StartTimeout, Probe, Stuck, Age, Memory, Operator, Reload, Idle, Scale, Finished, ListenSocket, Pinged}

// Direction is a way to scale.
type Direction string

// The directions.
const (
	Upward   Direction = "up"
	Downward Direction = "down"
)

// Directions are both.
var Directions = []Direction{Upward, Downward}

// TemplateState is that of the process that workers are forked from.
type TemplateState string

// The states of a template.
const (
	// TemplateStarting: it loads the program, and may still become a worker.
	TemplateStarting TemplateState = "starting"
	// TemplateReady: workers are forked from it.
	TemplateReady TemplateState = "ready"
	// TemplateFailed: there is none, and workers are started one by one.
	TemplateFailed TemplateState = "failed"
)

// TemplateStates are all of them.
var TemplateStates = []TemplateState{TemplateStarting, TemplateReady, TemplateFailed}
