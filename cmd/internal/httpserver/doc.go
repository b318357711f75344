// Package httpserver makes the HTTP servers of fcgisup: the front, metrics, the control
// socket, the monitor's page and the demo.
//
// It promises that no client holds a connection, a handler or a descriptor for longer than
// it makes progress: a request header must be complete in time, an idle connection ends, and
// a body that is sent, or an answer that is read, slower than [Limits.Rate] ends its request.
// The number of connections is bounded, and when all are in use those that have not sent a
// request make room. A handler may take as long as it likes.
//
// It imports nothing of fcgisup.
package httpserver
