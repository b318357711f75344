// Package check is "fcgisup check": it asks backends once, as a Nagios plugin does. Each is
// looked at before and after its probe (look.go), so that one that serves others is busy and not
// broken; one that must not be probed is judged by what the kernel shows (silent.go).
//
// It imports internal/{peer, startup, term}, supervisor/{control, scoreboard}, fcgi, units and the
// root package, and no other command.
package check
