// Package monitor watches all instances of a host, sleeping ones and those of plain units included, and reports
// what is known of them at one time.
//
// A [Report] never holds a guess: what could not be learned is absent, with the reason beside it. The package asks
// control sockets and systemd, which are functions of [Options] (monitor.go, controls.go, unitsview.go, plain.go), and
// derives the health of each instance from the replies (health.go, derive.go: pure).
//
// It imports supervisor/control, supervisor (the names of metrics), its history and the root package. page, alert and web read its reports
// and do not know each other; they meet in internal/watch.
package monitor
