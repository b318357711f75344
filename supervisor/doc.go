// Package supervisor keeps the workers of an app's instances alive behind
// sockets that it holds.
//
// It promises that a socket it was given stays open and listening until Run
// returns, and that a worker which dies is replaced as long as it is wanted. A worker that
// is replaced, scaled down or recycled is asked to stop only while it holds no connection
// (worker/gate.go) or when stop_timeout is over; one that is stuck, at once. The supervisor
// accepts a connection only to answer 503, while no worker lives (reject.go). It refuses
// sockets that do not listen, and never gives up on a program that fails.
//
// One goroutine per instance (instance.go) owns all of that instance's state and performs the effects. Timed
// work is a list of policies; each says when it is due and what it does then (policy.go). What an instance is doing as a
// whole is its phase (phase.go). The rules are pure: worker/machine.go says what one worker slot does on an event, scale.go how many slots
// an instance needs, arrivals.go how long requests have waited. What others may see is a control.Status, published
// after every step (publish.go).
//
// It may import the root package and the packages below supervisor; but not supervisor/monitor, except monitor/durable.
package supervisor
