// Package watch is "fcgisup monitor": it gives supervisor/monitor the host (host.go, systemd.go),
// serves the page, the API and metrics (server.go) to those who have the token (token.go), tells
// systemd (notify.go), sends alerts (alert.go, also "fcgisup alert test"), and keeps its state in
// a directory that one monitor uses at a time (state.go).
//
// It imports supervisor/monitor and its parts, supervisor/{control, scoreboard, lockfile},
// internal/{accepted, deploy, peer, service, startup, term}, units and the root package, and no
// other command.
package watch
