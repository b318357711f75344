// Package show is "fcgisup status" and "fcgisup top": it asks the supervisors of this host, adds
// the instances that sleep (sleeping.go), and prints a line per instance (table.go, table_notes.go,
// output_lines.go) or per worker (top.go).
//
// It imports internal/{peer, startup, term}, supervisor/{control, scoreboard}, units and the root
// package, and no other command.
package show
