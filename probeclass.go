package fcgisup

// ProbeClass says in one word why an exchange with an instance failed. The words are
// the values of logs, JSON and metric labels; the set is closed.
type ProbeClass string

// The classes, from the socket inwards.
const (
	ProbeRefused    ProbeClass = "refused"    // no process listens, or the socket cannot be used as configured
	ProbeMissing    ProbeClass = "missing"    // no such socket file
	ProbeFull       ProbeClass = "full"       // the accept queue is full: saturated, not down
	ProbeTimeout    ProbeClass = "timeout"    // the deadline passed before the answer was complete
	ProbeProtocol   ProbeClass = "protocol"   // the peer does not speak FastCGI, or its answer is cut short
	ProbeOverloaded ProbeClass = "overloaded" // the worker said OVERLOADED or CANT_MPX_CONN
	ProbeStatus     ProbeClass = "status"     // a complete answer with an unexpected status
	ProbeBody       ProbeClass = "body"       // a complete answer whose body does not match
)

// ProbeClasses are all of them, for metrics that start at zero.
var ProbeClasses = []ProbeClass{ProbeRefused, ProbeMissing, ProbeFull, ProbeTimeout, ProbeProtocol, ProbeOverloaded, ProbeStatus, ProbeBody}
