// Package supervise is "fcgisup run": it finds the app (source.go), takes the sockets of systemd
// or makes its own (sockets.go), runs a supervisor for them (run.go), obeys signals (signals.go), tells
// systemd (notify.go), serves the control socket, metrics and HTTP (serve.go, config.go,
// fdbudget.go), and hands everything over to a new program file (handover.go).
//
// It imports internal/{accepted, access, deploy, peer, service, term}, supervisor,
// supervisor/{capacity, control, listen, worker}, cmd/internal/httpserver, fcgi, units and the root package, and no other command.
package supervise
