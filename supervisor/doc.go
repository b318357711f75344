// Package supervisor keeps the workers of an app's instances alive behind
// sockets that it holds but never serves.
//
// It promises that a socket it was given stays open and listening until Run
// returns, that every worker which dies is replaced, that a worker is asked to
// stop only while it holds no connection (see gate.go) or when stop_timeout is
// over, and that no connection is accepted by the supervisor while a worker
// lives. It refuses sockets that do not listen, and never gives up on a
// program that fails.
//
// The rules are pure: machine.go says what one worker slot does on an event,
// scale.go how many slots an instance needs, arrivals.go how long requests have
// waited. One goroutine per instance (instance.go) owns all of that instance's
// state and performs the effects; what others may see is a control.Status, published
// after every step.
package supervisor
