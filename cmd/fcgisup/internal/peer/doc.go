// Package peer is what a command finds out about one address that serves FastCGI:
// by a probe, and by what the kernel shows of its listener and of the processes that
// hold it. It imports supervisor/scoreboard, fcgi and the root package.
package peer
