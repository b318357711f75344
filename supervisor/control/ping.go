package control

import (
	"time"

	"github.com/fcgisup/fcgisup"
)

// PingVerdict is what is known of a program and pings (FCGI_GET_VALUES). FastCGI
// asks programs to answer them, and many do not: uWSGI ignores them, Debian's
// ruby-fcgi raises an exception and ends. So only a program that has answered one
// is pinged again.
type PingVerdict string

// The verdicts. The literals are those of JSON and metric labels.
const (
	// PingUntried is the verdict before a first ping could be tried.
	PingUntried PingVerdict = ""
	// PingAnswers is that of a program that has answered.
	PingAnswers PingVerdict = "answers"
	// PingNone is that of a program that did not answer, closed the connection, or ended.
	PingNone PingVerdict = "none"
)

// FirstPingTimeout bounds a first ping. A program that answers pings does so in
// microseconds; one that does not may hold its only worker for that long.
const FirstPingTimeout = 2 * time.Second

// PingDeath is for how long after a first ping a death is its doing.
const PingDeath = time.Second

// AnswersNoPing is what a status says of a program whose verdict is PingNone.
const AnswersNoPing = "the program answers no ping; set health.path to probe it with a request"

// PingUnanswered reports whether the supervisor has found that the program answers no ping.
func (st Status) PingUnanswered() bool { return st.Probe != nil && st.Probe.Ping == PingNone }

// JudgePing tells what a first ping shows of a program, with the connections seen
// then whose client waits for an answer, and those that were not accepted: a ping
// that waited behind them says nothing. PingUntried: it never reached the program.
func JudgePing(r ProbeResult, served, queued int) PingVerdict {
	switch {
	case r.Err == nil && !r.Unsupported:
		return PingAnswers
	case r.Err == nil:
		return PingNone
	case r.Class == fcgisup.ProbeRefused, r.Class == fcgisup.ProbeMissing, r.Class == fcgisup.ProbeFull:
		return PingUntried
	case r.Class == fcgisup.ProbeTimeout && served+queued > 0:
		return PingUntried
	}
	return PingNone
}

// ProbeResult is what a probe function found.
type ProbeResult struct {
	// Err is nil for the expected answer.
	Err error
	// Class classifies Err.
	Class  fcgisup.ProbeClass
	Status int
	// Answer is how the answer begins.
	Answer []byte
	// Unsupported tells that a ping was answered by closing the connection.
	Unsupported bool
}

// ProbeDenied is why no probe is sent through a socket that its supervisor may not connect to.
const ProbeDenied = "the supervisor may not connect to the socket: socket.user, group or mode keeps it out"
