// Package supervise is "fcgisup run": it finds the app (source.go), takes the sockets of systemd
// or makes its own, runs a supervisor for them (run.go), obeys signals (signals.go), tells
// systemd (notify.go), serves the control socket, metrics and HTTP (serve.go, config.go,
// descriptors.go), and hands everything over to a new program file (handover.go).
//
// It imports internal/{accepted, access, deploy, peer, service, term}, supervisor,
// supervisor/{capacity, control}, fcgi, units and the root package, and no other command.
package supervise
