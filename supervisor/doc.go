// Package supervisor keeps the workers of an app's instances alive behind
// sockets that it holds but never serves.
//
// It promises that a socket it was given stays open and listening until Run
// returns, that every worker which dies is replaced, that a worker is asked to
// stop only while it holds no connection (worker/gate.go) or when stop_timeout is
// over, and that no connection is accepted by the supervisor while a worker
// lives. It refuses sockets that do not listen, and never gives up on a
// program that fails.
//
// One goroutine per instance (instance.go) owns all of that instance's state and performs the effects. What it does by
// itself is a list of policies, each of which says when it is due (policy.go); what it is doing as a whole is a phase
// (phase.go). The rules are pure: worker/machine.go says what one worker slot does on an event, scale.go how many slots
// an instance needs, arrivals.go how long requests have waited. What others may see is a control.Status, published
// after every step (publish.go).
//
// It may import the root package and the packages below supervisor; of supervisor/monitor only durable.
package supervisor
