// Package service is what the daemons, run and monitor, share: a log that never makes them wait
// (log.go), sd_notify(3) (sdnotify.go), memory given back to the system (releasemem.go) and the
// metric of the version (buildinfo.go).
//
// It imports nothing of ours.
package service
