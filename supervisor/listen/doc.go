// Package listen makes, adopts, observes and renews listening sockets.
//
// A socket is held as a raw descriptor: package net would set O_NONBLOCK on the
// description that it shares with the workers. A socket file may lie in the
// directory of another user, so nothing is changed through a path (bind.go), and
// one that a process listens on is never taken away (stale.go). Connections are
// waited for without accepting (watch.go), and accepted only where no worker lives
// (Accept, rawconn.go).
//
// It imports the root package, the scoreboard and lockfile, and knows no worker.
package listen
