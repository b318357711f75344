// Package peer is what a command finds out about one address that serves FastCGI:
// by a probe, and by what the kernel shows of its listener and of the processes that
// hold it. It finds control sockets, too (control.go), and compares addresses
// (addresses.go). It imports supervisor/{control, scoreboard}, fcgi, internal/term and the root package.
package peer
